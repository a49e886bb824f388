"""What every service stands on: contracts, Kafka, storage, the run loop. Nothing here knows a service."""
