"""Kafka -> lake: every version of every fact, once, in Parquet."""
