"""Settings of the FRED source."""

from pydantic import Field, SecretStr

from shared.settings import Settings


class FredSettings(Settings):
    """Key, address and limits of FRED's API."""

    fred_api_key: SecretStr = Field(min_length=1)
    fred_url: str = Field("https://api.stlouisfed.org/fred", pattern="^https?://")
    fred_requests_per_minute: int = Field(120, ge=1, le=10_000)
    fred_timeout_seconds: float = Field(60.0, gt=0, description="for one answer")
    fred_retry_seconds: float = Field(180.0, gt=0, description="how long one request is tried")
