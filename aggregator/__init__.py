"""Kafka -> features -> PostgreSQL: every bar becomes a feature row, exactly once."""
