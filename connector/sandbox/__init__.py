"""Stand-ins for what lies outside: vendors that answer as the real ones, and events to send them."""
