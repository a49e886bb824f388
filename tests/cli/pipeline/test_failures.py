"""Jobs that were given up, as lines for people: one a reason, however many tickers share it."""

from cli.pipeline.training import SHOWN_TICKERS, Failure, by_reason
from shared.contracts.training import MODEL_KINDS

FEW = "it has 390 rows; 5,000 are the least"


def test_tickers_that_share_a_reason_stand_in_one_line() -> None:
    given_up = [Failure(ticker, kind, FEW) for ticker in ("AAA", "BBB") for kind in MODEL_KINDS]
    given_up += [Failure("CCC", MODEL_KINDS[0], "the disk is full")]
    assert by_reason(given_up) == [f"AAA, BBB: {FEW}", f"CCC ({MODEL_KINDS[0]}): the disk is full"]


def test_many_tickers_are_counted() -> None:
    tickers = [f"T{i:02d}" for i in range(SHOWN_TICKERS + 13)]
    (line,) = by_reason([Failure(ticker, kind, FEW) for ticker in tickers for kind in MODEL_KINDS])
    assert line == f"{', '.join(tickers[:SHOWN_TICKERS])} and 13 more: {FEW}"


def test_nothing_given_up_is_no_line() -> None:
    assert by_reason([]) == []
