"""The ticker of a file that names none in a column: from its name, else from its folder's."""

import re
from pathlib import PurePosixPath
from typing import Final

from shared.contracts.bars import NAME_PATTERN
from shared.errors import PoisonMessageError

_ENDINGS: Final = re.compile(r"(\.(csv|txt|gz|parquet|pq|zip))+$", re.IGNORECASE)
_DATE: Final = r"\d{4}([-_]?\d{2}){0,2}"
_WORDS: Final = r"min|minutes?|bars?|ohlcv?|data|raw|trades?|intraday|stocks?|prices?|history|usa|equity|file"
# What stands behind the ticker in a name: a spacing, a kind, a date or a range of dates.
_TAIL: Final = re.compile(rf"[-_. ]({_DATE}|\d*m(in)?|{_WORDS}|us|all|\d+|[0-9a-f]{{8,}})$", re.IGNORECASE)
# What names no ticker when it stands alone (M, U, ON and ALL are tickers).
_NO_TICKER: Final = re.compile(rf"{_DATE}|\d+m(in)?|{_WORDS}|part|\d+|[0-9a-f]{{8,}}", re.IGNORECASE)
_HIVE: Final = re.compile(r"^(ticker|symbol)=", re.IGNORECASE)


def ticker_of_path(relative: str) -> str:
    """Return the ticker that a path tells: `spy/20131011_trade.zip` is SPY, `1min/AAPL_1min.csv.gz` is AAPL.

    Raises:
        PoisonMessageError: neither the name nor a folder is one.
    """
    path = PurePosixPath(relative)
    hive = [part for part in path.parts if _HIVE.match(part)]
    if hive:
        return _HIVE.sub("", hive[-1]).upper()
    for part in (_ENDINGS.sub("", path.name), *reversed(path.parent.parts)):
        name = _without_tail(part).upper()
        if re.match(NAME_PATTERN, name) and not _NO_TICKER.fullmatch(name):
            return name
    raise PoisonMessageError(
        "neither a column, nor its name, nor its folder tells its ticker; name it like AAPL_1min.csv", "no_ticker"
    )


def _without_tail(name: str) -> str:
    while (shorter := _TAIL.sub("", name)) != name:
        name = shorter
    return name
