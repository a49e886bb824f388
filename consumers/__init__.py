"""Kafka -> the lake."""
