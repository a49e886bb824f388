"""Settings of the simulated exchange. All but the pace make the world: equal settings, equal world, in any process."""

from datetime import date
from typing import Any

from pydantic import Field

from shared.settings import Settings

PACE = frozenset({"simulated_speed", "simulated_pause_seconds"})


class SimulatedSettings(Settings):
    """Seed, size and pace of the simulated exchange."""

    simulated_seed: int = Field(7, ge=0, description="every number of the world follows from it")
    simulated_tickers: int = Field(10, ge=1, le=2000)
    simulated_sessions: int = Field(60, ge=1, le=6000, description="sessions of history; live goes on after them")
    simulated_start: date = Field(
        date(2025, 1, 2), ge=date(1995, 1, 1), description="the first session is the first one on or after this date"
    )
    simulated_extended: bool = Field(False, description="whether bars before the open and after the close are made")
    simulated_speed: float = Field(60.0, gt=0, le=1e6, description="simulated seconds a real second, live")
    simulated_pause_seconds: float = Field(
        1.0, ge=0, le=60, description="real seconds that a night or weekend takes, live"
    )

    @property
    def world(self) -> dict[str, Any]:
        """Return the settings that change what is made, ready for JSON."""
        return self.model_dump(mode="json", exclude=set(PACE))
