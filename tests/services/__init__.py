"""A real Kafka and a real schema registry for tests and for people, with nothing installed but Java 17 and Maven."""
