"""The stages between Kafka and a sink, one module each; collaborators arrive as arguments."""
