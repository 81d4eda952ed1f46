"""What is seen from outside: metrics, logs, and the state of each sink."""
