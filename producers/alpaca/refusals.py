"""What Alpaca's stream refuses, and who must act: the documented error messages as errors of ours."""

from typing import Final

from websockets.exceptions import WebSocketException

from producers.alpaca.settings import AlpacaSettings
from shared.errors import ConfigurationError

CODES: Final = {
    "invalid syntax": 400,
    "not authenticated": 401,
    "auth failed": 402,
    "already authenticated": 403,
    "auth timeout": 404,
    "symbol limit exceeded": 405,
    "connection limit exceeded": 406,
    "slow client": 407,
    "insufficient subscription": 409,
    "invalid subscribe action for this feed": 410,
    "internal error": 500,
}


class StreamRefusedError(Exception):
    """Alpaca answered with an error message. `code`: None where only its text has reached us."""

    def __init__(self, text: str, code: int | None) -> None:
        super().__init__(text)
        self.text = " ".join(text.split())[:200]
        self.code = code if code is not None else CODES.get(self.text.lower())


def refusal(error: StreamRefusedError, settings: AlpacaSettings, tickers: int) -> str:
    """Return why the connection is lost, where dialling again may help.

    A connection limit is such a case: Alpaca keeps a broken connection for a while, and counts it.

    Raises:
        ConfigurationError: only a person can mend it.
    """
    told = f"Alpaca's stream answers {error.code} {error.text}"
    advice = {
        400: "Check the tickers.",
        402: "ALPACA_API_KEY, ALPACA_SECRET_KEY: set a valid pair.",
        405: f"Your plan streams fewer than {tickers} tickers: name fewer with --tickers, or subscribe.",
        409: f"ALPACA_FEED: your plan has no {settings.alpaca_feed}; set ALPACA_FEED=iex, or subscribe.",
        410: f"ALPACA_FEED: {settings.alpaca_feed} streams no bars; set another feed.",
    }
    if error.code in advice:
        raise ConfigurationError(f"{told}. {advice[error.code]}")
    if error.code == 406:
        return f"{told}; is another program streaming with these keys?"
    return told if error.code is not None else f"an answer that is none of Alpaca's ({error.text})"


def handshake_refusal(error: WebSocketException) -> str:
    """Return why the connection is lost, or was not made.

    Raises:
        ConfigurationError: the server refused the handshake for good.
    """
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        raise ConfigurationError(f"ALPACA_API_KEY, ALPACA_SECRET_KEY: Alpaca's stream refuses them ({status}).")
    if status == 404:
        raise ConfigurationError("ALPACA_STREAM_URL, ALPACA_FEED: there is no stream at this address (404).")
    return f"the connection broke ({type(error).__name__}{'' if status is None else f' {status}'})"
