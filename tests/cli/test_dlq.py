"""Dead letters: what a bad record becomes, how it is shown, and a second try."""

from collections.abc import Iterator

import polars as pl
import pytest

from cli.settings import embedded
from shared.contracts.bars import BAR_COLUMNS, decode_bars, encode_bars
from shared.contracts.dead_letters import DeadLetter
from shared.contracts.topics import BARS_HISTORY, DEAD_LETTERS
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import Outgoing
from shared.settings import KafkaSettings
from shared.testing.eventually import eventually
from tests.cli.conftest import Demo


@pytest.fixture
def kafka(demo: Demo) -> KafkaSettings:
    return embedded(demo.addresses.home).kafka


@pytest.fixture
def writer(kafka: KafkaSettings) -> Iterator[KafkaWriter]:
    with KafkaWriter(kafka, "test-dlq") as writer:
        yield writer


def letters(demo: Demo, error_class: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = demo.command.json("dlq", "list", "--each", "-n", "1000", "--class", error_class)
    return found


def letter(error_class: str, value: bytes, **more: object) -> DeadLetter:
    whole = {
        "topic": BARS_HISTORY.name,
        "partition": 0,
        "offset": 7,
        "error_class": error_class,
        "reason": "made by a test",
        "service": "tests",
        "first_seen": pl.Series(["2026-01-12 14:30"]).str.to_datetime(time_zone="UTC")[0],
        "key": b"AAA",
        "value": value,
        "length": len(value),
        "headers": {"schema": b"bars/1.0", "run": b"some-run"},
    }
    return DeadLetter(**(whole | more))  # type: ignore[arg-type]


def write(writer: KafkaWriter, *made: DeadLetter) -> None:
    for one in made:
        writer.send(one.to_record())
    writer.flush(30)


def bars_of_lake(demo: Demo) -> pl.DataFrame:
    path = next((demo.addresses.home.lake / "stock-data" / "AAA").rglob("*.parquet"))
    return pl.read_parquet(path).select(BAR_COLUMNS.keys())


def test_record_that_is_no_arrow_becomes_a_dead_letter_with_its_bytes(demo: Demo, writer: KafkaWriter) -> None:
    writer.send(Outgoing(BARS_HISTORY.name, b"BAD1", b"this is no arrow", {"schema": b"bars/1.0"}))
    writer.flush(30)
    found = eventually(lambda: [one for one in letters(demo, "bad_arrow") if one["key"] == "BAD1"])
    assert found[0]["topic"] == BARS_HISTORY.name
    assert found[0]["value"] == "this is no arrow"
    assert found[0]["headers"] == {"schema": "bars/1.0"}
    shown = demo.command("dlq", "show", str(found[0]["id"]))
    assert shown.exit_code == 0
    assert "this is no arrow" in shown.stdout
    assert "not an Arrow stream" in shown.stdout


def test_list_groups_rows_of_files_by_what_was_wrong(demo: Demo) -> None:
    (group,) = demo.command.json("dlq", "list", "--class", "bad_row")
    assert (group["service"], group["origin"]) == ("producers.stock", "files")
    assert group["letters"] == group["rows"] >= demo.source.bad
    of_source = [one for one in letters(demo, "bad_row") if one["topic"] == "files:BBB_1min.csv"]
    assert [one["offset"] for one in of_source] == [201, 202]
    assert [one["value"] for one in of_source] == [
        "2026-01-16 16:10:00,10,9,8,9.5,100",
        "2026-01-16 16:11:00,10,12,9,11,-5",
    ]


def test_replay_sends_key_headers_and_bytes_back_and_their_effect_exists_once(
    demo: Demo, kafka: KafkaSettings, writer: KafkaWriter
) -> None:
    value = encode_bars(bars_of_lake(demo).head(5))
    write(writer, letter("replay_me", value))
    ends = KafkaAdmin(kafka).end_offsets(BARS_HISTORY.name)
    (one,) = letters(demo, "replay_me")

    replayed = demo.command.json("dlq", "replay", str(one["id"]))

    assert replayed == {"sent": [one["id"]], "not_sent": []}
    (record,) = list(read_topic(kafka, BARS_HISTORY.name, start=ends))
    assert (record.key, record.value) == (b"AAA", value)
    assert dict(record.headers) == {"schema": b"bars/1.0", "run": b"some-run"}
    eventually(lambda: demo.command.json("verify", "lake", "--tickers", "AAA")["waiting"] == 0)
    verified = demo.command.json("verify", "lake", "--tickers", "AAA")
    assert verified["verified"] is True


def test_replay_by_class_keeps_what_is_cut_or_came_from_no_topic(demo: Demo, writer: KafkaWriter) -> None:
    rows = encode_bars(bars_of_lake(demo).head(1))
    write(
        writer,
        letter("mixed", rows),
        letter("mixed", rows[:10], length=len(rows)),
        letter("mixed", b"1,2,3", topic="files:AAA.csv", partition=-1, offset=3),
        letter("mixed", b"{}", topic="alpaca", partition=-1, offset=0),
        letter("mixed", rows, topic="gone_topic"),
    )
    found = demo.command.json("dlq", "replay", "--class", "mixed")
    assert len(found["sent"]) == 1
    reasons = [one["reason"] for one in found["not_sent"]]
    words = ("are kept", "a file", "from alpaca", "topic gone_topic does not exist")
    assert all(word in reason for word, reason in zip(words, reasons, strict=True))


def test_replay_by_number_of_what_cannot_be_sent_is_exit_1(demo: Demo, writer: KafkaWriter) -> None:
    write(writer, letter("from_a_file", b"1,2", topic="files:x.csv", partition=-1))
    (one,) = letters(demo, "from_a_file")
    result = demo.command("dlq", "replay", str(one["id"]))
    assert result.exit_code == 1
    assert "mend the file and publish it again" in result.stdout


def test_letter_written_twice_by_a_crash_is_listed_once(demo: Demo, writer: KafkaWriter) -> None:
    write(writer, letter("twice", b"x"), letter("twice", b"x"), letter("twice", b"y"))
    assert [one["value"] for one in letters(demo, "twice")] == ["x", "y"]


def test_show_binary_content_is_a_hex_dump(demo: Demo, writer: KafkaWriter) -> None:
    write(writer, letter("binary", bytes(range(200, 240))))
    (one,) = letters(demo, "binary")
    assert str(one["value"]).startswith("hex:c8c9")
    assert "000000  c8 c9 ca" in demo.command("dlq", "show", str(one["id"])).stdout


def test_show_rows_of_bars_are_decoded(demo: Demo, writer: KafkaWriter) -> None:
    bars = bars_of_lake(demo).head(2)
    write(writer, letter("rows", encode_bars(bars), rows=2))
    (one,) = letters(demo, "rows")
    assert isinstance(one["value"], list)
    assert [row["close"] for row in one["value"]] == decode_bars(encode_bars(bars))["close"].to_list()
    assert "2 bars 2026-01-12 14:30" in demo.command("dlq", "show", str(one["id"])).stdout


def test_show_unknown_number_is_one_line_and_exit_2(demo: Demo) -> None:
    result = demo.command("dlq", "show", "999999")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "There is no dead letter 999999" in result.stderr


def test_replay_without_saying_which_is_exit_2(demo: Demo) -> None:
    assert demo.command("dlq", "replay").exit_code == 2
    assert demo.command("dlq", "replay", "1", "--all").exit_code == 2


def test_dead_letter_topic_is_where_they_are(demo: Demo) -> None:
    assert demo.command("topics", "tail", DEAD_LETTERS.name, "-n", "1").exit_code == 0
