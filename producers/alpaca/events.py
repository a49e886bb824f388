"""What happens on Alpaca's stream, as it is handed from the stream's thread to its reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The subscription is confirmed: bars flow from `at` on. `missing`: tickers that Alpaca left out."""

    session: int
    at: datetime
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """One message of a bar (T: b) or an updated bar (T: u), as it came, at this instant."""

    session: int
    at: datetime
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended, or could not be made; it is dialled again."""

    session: int
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more comes."""

    error: Exception


Event = Subscribed | Received | Lost | Ended
