"""Tickers from paths."""

import pytest

from producers.files.tickers import ticker_of_path
from shared.errors import PoisonMessageError


@pytest.mark.parametrize(
    ("path", "ticker"),
    [
        ("AAPL_1min.csv.gz", "AAPL"),
        ("aapl.csv", "AAPL"),
        ("BRK.B.csv", "BRK.B"),
        ("BRK-B_1m_2025-01.csv", "BRK-B"),
        ("U.csv.gz", "U"),
        ("ON.csv.gz", "ON"),
        ("ALL.csv.gz", "ALL"),
        ("spy/20131011_trade.zip", "SPY"),
        ("goog/2015.parquet", "GOOG"),
        ("bars/ticker=MSFT/part-0000.parquet", "MSFT"),
        ("AMZN/1min/2025-01-02.csv", "AMZN"),
        ("TSLA_minute_bars_20250102.csv", "TSLA"),
        ("QQQ_1min.parquet", "QQQ"),
    ],
)
def test_ticker_of_path_common_names(path: str, ticker: str) -> None:
    assert ticker_of_path(path) == ticker


@pytest.mark.parametrize("path", ["2025-01-02.csv", "data.csv", "1min/bars.parquet", "€.csv"])
def test_ticker_of_path_nothing_that_is_a_ticker_says_how_to_name_it(path: str) -> None:
    with pytest.raises(PoisonMessageError, match="name it like AAPL_1min"):
        ticker_of_path(path)
