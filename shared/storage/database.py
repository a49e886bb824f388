"""The types of a PostgreSQL connection, for services that hand one on without speaking SQL themselves."""

from sqlalchemy import Connection, Engine

__all__ = ["Connection", "Engine"]
