"""Kafka and lake -> features -> Postgres: point-in-time-correct feature rows, and the signal to train."""
