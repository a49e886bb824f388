"""Settings of the Alpaca source."""

from typing import Final, Literal

from pydantic import Field, SecretStr

from shared.settings import Settings

Feed = Literal["iex", "sip", "delayed_sip", "otc"]
STREAMED_FEEDS: Final = ("iex", "sip", "delayed_sip")


class AlpacaSettings(Settings):
    """Keys, feed, addresses and limits of Alpaca's market data API."""

    alpaca_api_key: SecretStr = Field(min_length=1)
    alpaca_secret_key: SecretStr = Field(min_length=1)
    alpaca_feed: Feed = Field("iex", description="iex is free; sip needs a subscription")
    alpaca_data_url: str = Field("https://data.alpaca.markets", pattern="^https?://")
    alpaca_stream_url: str = Field("wss://stream.data.alpaca.markets", pattern="^wss?://")
    alpaca_requests_per_minute: int = Field(200, ge=1, le=100_000, description="your plan's limit")
    alpaca_timeout_seconds: float = Field(30.0, gt=0, description="for one answer")
    alpaca_retry_seconds: float = Field(180.0, gt=0, description="how long one request is tried")
    alpaca_reconnect_seconds: float = Field(300.0, gt=0, description="how long a lost stream is dialled again")
    alpaca_live_lookback_minutes: int = Field(
        960, ge=1, le=10_080, description="what the live producer reads from history when it starts"
    )

    @property
    def market_feed(self) -> str:
        """Return the feed that bars are named after: the delayed one carries the same bars as `sip`, later."""
        return "sip" if self.alpaca_feed == "delayed_sip" else self.alpaca_feed
