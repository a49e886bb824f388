"""A source -> Kafka: bars, macro vintages, filings, corporate actions."""
