"""The embedded stack: real Kafka, PostgreSQL and a MongoDB-protocol server as local processes, from wheels and jars."""
