"""Keeps slow facts and feature rows from passing each other: rows are made of all facts, or facts see the rows.

Who stores rows shares the lock and then looks whether its facts are still all there are; who stores facts holds it
alone, and so sees every row that was made without them.
"""

from typing import Final

from sqlalchemy import Connection, text

_KEY: Final = 7_203_511_904


def share_context(connection: Connection) -> None:
    """Let nobody store slow facts until the caller's transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _KEY})


def hold_context(connection: Connection) -> None:
    """Wait for the transactions that store rows, and let none begin until the caller's ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _KEY})
