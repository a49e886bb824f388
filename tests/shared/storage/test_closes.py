"""The last closes of a ticker: of the newest revisions, in the order of time."""

from shared.settings import PostgresSettings
from shared.storage.closes import Close, CloseReader
from shared.storage.postgres import make_engine
from tests.shared.storage.feature_rows import SET, append, known_later, provisioned, rows


def test_newest_closes_are_those_of_the_newest_revisions(database: PostgresSettings) -> None:
    engine = make_engine(database)
    provisioned(engine)
    first, corrected = rows(minutes=range(6)), rows(minutes=range(3, 5), seed=1)
    append(engine, first, rows("MSFT"), known_later(corrected))

    found = CloseReader(engine).newest("AAPL", SET, 4)

    closes = dict(first.select("timestamp", "close").rows()) | dict(corrected.select("timestamp", "close").rows())
    assert found == [Close(at, closes[at]) for at in sorted(closes)[-4:]]
    assert CloseReader(engine).newest("NOBODY", SET, 4) == []
    assert CloseReader(engine).newest("AAPL", "fother", 4) == []
    engine.dispose()
