"""Adapters to stores and databases: object stores, PostgreSQL, the document store."""
