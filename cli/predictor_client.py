"""The predictor's HTTP routes as the command asks them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import urllib3
from pydantic import ValidationError

from shared.closing import Closing
from shared.contracts.predictions import Prediction
from shared.errors import ContractError, TransientError

ANSWER_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Served:
    """A prediction, and the whole document that came with it."""

    prediction: Prediction
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """A problem document: why there is no prediction.

    Attributes:
        ticker: What was asked for.
        status: HTTP's code; 404: no such ticker, 409: something is missing, such as a model.
        title: What it is called.
        detail: Why, and what to do.
        document: All of it.
    """

    ticker: str
    status: int
    title: str
    detail: str
    document: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Return it as one line."""
        return f"{self.ticker}: {': '.join(part for part in (self.title, self.detail) if part)} ({self.status})"


class PredictorClient(Closing):
    """Asks one predictor.

    Args:
        url: Its address, with a slash at the end.
        seconds: How long an answer may take.
    """

    def __init__(self, url: str, seconds: float = ANSWER_SECONDS) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(timeout=seconds, retries=False)

    def prediction(self, ticker: str) -> Served | Refused:
        """Return the newest prediction of a ticker.

        Raises:
            TransientError: the predictor does not answer, or has an error of its own.
            ContractError: what answers is no predictor of this version.
        """
        status, document = self._get(f"v1/predictions/{quote(ticker, safe='')}")
        if status != 200:
            title, detail = str(document.get("title", "refused")), str(document.get("detail") or "")
            return Refused(ticker, status, title, detail, document)
        try:
            return Served(Prediction.model_validate(document), document)
        except ValidationError as error:
            raise ContractError(f"{self._url} does not answer as a predictor of this version: {error}.") from error

    def close(self) -> None:
        """Free the connections."""
        self._pool.clear()

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        try:
            answer = self._pool.request("GET", f"{self._url}{path}", headers={"Accept": "application/json"})
        except urllib3.exceptions.HTTPError as error:
            raise TransientError(
                f"the predictor at {self._url} does not answer ({type(error).__name__}); is it up? "
                "See `tickerstream status` and `tickerstream logs predictor`."
            ) from error
        if answer.status >= 500:
            raise TransientError(f"the predictor at {self._url} answers {answer.status}; see `tickerstream logs`.")
        try:
            document = json.loads(answer.data)
        except ValueError as error:
            raise ContractError(f"{self._url} is no predictor: /{path} is not answered with JSON.") from error
        if not isinstance(document, dict):
            raise ContractError(f"{self._url} is no predictor: /{path} is not answered with a JSON object.")
        return answer.status, document
