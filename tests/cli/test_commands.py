"""The smaller commands on a stack that holds two demos: tables, plain lines, JSON and exit codes."""

import json
from datetime import UTC, datetime

import pytest

from cli.settings import embedded
from producers.runs import RunPlan, declared
from shared.clock import SystemClock
from shared.contracts.topics import BARS_HISTORY, TOPICS
from shared.kafka.producer import KafkaWriter
from tests.cli.conftest import Demo, run_command
from tests.cli.source_csv import DAYS, MINUTES, TICKERS


def test_topics_list_has_every_contract_and_what_is_in_it(demo: Demo) -> None:
    found = {topic["topic"]: topic for topic in demo.command.json("topics", "list")}
    assert {topic.name for topic in TOPICS} <= set(found)
    assert found["h_alpaca"]["partitions"] == 6
    assert found["h_alpaca"]["records"] >= len(TICKERS)
    assert found["runs"]["records"] > 0


def test_topics_list_in_a_pipe_is_tab_separated_without_separators_in_numbers(demo: Demo) -> None:
    lines = demo.command("topics", "list").stdout.splitlines()
    assert lines[0].split("\t")[:3] == ["topic", "partitions", "records"]
    row = next(line.split("\t") for line in lines if line.startswith("h_macrodata"))
    assert row[1] == "6"
    assert row[2].isdigit()


def test_topics_tail_decodes_bars_of_one_key(demo: Demo) -> None:
    lines = demo.command("topics", "tail", "h_alpaca", "--key", "CCC", "-n", "1").stdout.splitlines()
    assert len(lines) == 1
    assert f"{len(DAYS) * MINUTES} bars 2026-01-12 14:30 .. 2026-01-16 15:09 UTC" in lines[0]


def test_topics_tail_json_has_headers_and_rows(demo: Demo) -> None:
    result = demo.command("topics", "tail", "h_alpaca", "--key", "CCC", "-n", "1", "--json")
    (record,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert record["key"] == "CCC"
    assert record["headers"]["schema"] == BARS_HISTORY.schema
    assert len(record["value"]) == len(DAYS) * MINUTES


def test_topics_tail_gives_the_newest_in_order_of_time(demo: Demo) -> None:
    result = demo.command("topics", "tail", "h_macrodata", "-n", "5", "--json")
    times = [datetime.fromisoformat(json.loads(line)["timestamp"]) for line in result.stdout.splitlines()]
    assert len(times) == 5
    assert times == sorted(times)


def test_topics_tail_of_no_topic_names_those_that_there_are(demo: Demo) -> None:
    result = demo.command("topics", "tail", "h_apalca")
    assert result.exit_code == 2
    assert "h_alpaca" in result.stderr


def test_lake_ls_lists_buckets_then_tickers_then_objects(demo: Demo) -> None:
    assert {"stock-data", "macro-data", "company-fundamentals"} <= {e["name"] for e in demo.command.json("lake", "ls")}
    tickers = {entry["name"]: entry for entry in demo.command.json("lake", "ls", "stock-data")}
    assert tickers["stock-data/CCC/"]["rows"] == len(DAYS) * MINUTES
    (entry,) = demo.command.json("lake", "ls", "stock-data/CCC/2026")
    assert entry["name"] == "stock-data/CCC/2026/01/CCC_2026-W03.parquet"
    assert entry["bytes"] > 0


def test_lake_head_of_a_ticker_shows_its_newest_bars(demo: Demo) -> None:
    rows = demo.command.json("lake", "head", "CCC", "-n", "2")
    assert [row["timestamp"] for row in rows] == ["2026-01-16 15:08:00+00:00", "2026-01-16 15:09:00+00:00"]
    assert all(row["current"] for row in rows)


def test_lake_head_of_an_object_shows_its_first_rows(demo: Demo) -> None:
    result = demo.command("lake", "head", "stock-data/CCC/2026/01/CCC_2026-W03.parquet", "-n", "1")
    assert result.exit_code == 0
    assert "2026-01-12 14:30:00" in result.stdout


def test_lake_head_of_nothing_is_exit_2(demo: Demo) -> None:
    result = demo.command("lake", "head", "NOPE")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_runs_list_and_show_tell_what_is_confirmed(demo: Demo) -> None:
    runs = demo.command.json("runs", "list")
    of_files = next(run for run in runs if run["source"] == "files")
    assert (of_files["state"], of_files["rows"]) == ("complete", demo.source.different)
    topic = of_files["topics"]["h_alpaca"]
    assert (topic["rejected"], topic["duplicates"]) == (demo.source.bad, demo.source.repeated)
    shown = demo.command("runs", "show", of_files["run_id"][:12])
    assert "h_alpaca" in shown.stdout


def test_runs_abort_gives_up_an_open_run_and_no_other(demo: Demo) -> None:
    plan = RunPlan("test-open-run", "tests", ("h_alpaca",), "files", False, {"why": "a test"})
    with KafkaWriter(embedded(demo.addresses.home).kafka, "test-runs") as writer:
        writer.send(declared(plan, 1, SystemClock()))
        writer.flush(30)
    assert demo.command.json("runs", "show", "test-open-run")["state"] == "open"
    assert demo.command("runs", "abort", "test-open-run", "--reason", "no longer wanted").exit_code == 0
    run = demo.command.json("runs", "show", "test-open-run")
    assert (run["state"], run["aborted"]) == ("aborted", "no longer wanted")
    assert demo.command("runs", "abort", "test-open-run").exit_code == 2


def test_tickers_added_are_active_until_they_are_removed(demo: Demo) -> None:
    assert demo.command.json("tickers", "add", "ZZZ", "--name", "Zebra") == {"added": ["ZZZ"]}
    assert demo.command.json("tickers", "add", "ZZZ") == {"added": []}
    found = {ticker["ticker"]: ticker for ticker in demo.command.json("tickers", "list")}
    assert found["ZZZ"]["name"] == "Zebra"
    assert datetime.fromisoformat(found["ZZZ"]["added_at"]) <= datetime.now(UTC)
    assert demo.command.json("tickers", "remove", "ZZZ") == {"removed": ["ZZZ"]}
    assert "ZZZ" not in {ticker["ticker"] for ticker in demo.command.json("tickers", "list")}
    assert "ZZZ" in {ticker["ticker"] for ticker in demo.command.json("tickers", "list", "--all")}


def test_tickers_add_of_no_name_is_exit_2(demo: Demo) -> None:
    assert demo.command("tickers", "add", "not a ticker").exit_code == 2


def test_backfill_of_the_same_files_is_done_already(demo: Demo) -> None:
    source = ("--bars", str(demo.source.folder), "--timezone", "America/New_York")
    found = demo.command.json("backfill", *source)
    assert found["published"]["stock"]["summary"]["already_done"] is True


def test_backfill_again_sends_all_once_more_and_the_lake_stays_as_it_is(demo: Demo) -> None:
    source = ("--bars", str(demo.source.folder), "--timezone", "America/New_York")
    found = demo.command.json("backfill", "--again", *source)
    assert found["published"]["stock"]["summary"]["published"] == demo.source.different
    verified = demo.command.json("verify", "lake", "--tickers", ",".join(TICKERS), *source)
    assert (verified["lake_rows"], verified["duplicated"]) == (demo.source.different, 0)


def test_backfill_from_a_vendor_without_a_key_names_the_setting(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALPACA_API_KEY", raising=False)
    result = demo.command("backfill", "--source", "alpaca", "--start", "2026-01-05")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "ALPACA_API_KEY" in result.stderr


def test_live_publishes_simulated_bars_that_come_by(demo: Demo) -> None:
    world = ("--tickers", "3", "--sessions", "5", "--seed", "11")
    found = demo.command.json("live", "--speed", "6000", "--seconds", "8", *world)
    assert found["bars"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "lake", "--timezone", "Mars/Olympus"),
        ("verify", "lake", "--bars", "/no/such/folder"),
        ("backfill", "--source", "files"),
        ("backfill", "--source", "alpaca", "--bars", "/tmp"),
        ("backfill", "--source", "simulated", "--series", "SIM.DGS10"),
        ("backfill", "--source", "fred", "--tickers", "AAA"),
        ("backfill", "--bars", "/tmp", "--sessions", "5"),
        ("verify", "lake", "--start", "2026-01-12"),
        ("runs", "show", "nothing-of-that-name"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_2(demo: Demo, arguments: tuple[str, ...]) -> None:
    result = demo.command(*arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("error: ")


def test_commands_without_a_stack_say_how_to_start_one(tmp_path: object) -> None:
    for command in (("topics", "list"), ("dlq", "list"), ("runs", "list"), ("tickers", "list"), ("live",)):
        result = run_command(*command, "--home", str(tmp_path))
        assert result.exit_code == 2
        assert "tickerstream up" in result.stderr


def test_version_and_help_are_there() -> None:
    assert run_command("--version").stdout.startswith("tickerstream ")
    shown = run_command("--help").stdout
    for command in (
        "demo",
        "up",
        "down",
        "status",
        "logs",
        "backfill",
        "live",
        "tickers",
        "runs",
        "dlq",
        "topics",
        "lake",
    ):
        assert command in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("demo", "--no-such-option"), "No such option: --no-such-option. See `"),
        (("--no-such-option",), "No such option: --no-such-option"),
        (("backfill", "--source", "crystal"), "'crystal' is not one of 'files', 'simulated', 'alpaca', 'fred'. See `"),
        (("topics", "no-such-command"), "No such command 'no-such-command'. See `"),
        (("predict",), "Missing argument 'TICKER...'. See `"),
        (("up", "--home", "/dev/null/home"), "/dev/null/home: Not a directory. "),
        (("demo", "--report", "/no/such/report.json"), "there is no folder /no/such. Name"),
        (("demo", "--once", "--speed", "60"), "--speed: with --once nothing goes live; leave"),
        (
            ("demo", "--timezone", "UTC"),
            "--timezone: of no use to stock, macro, company from simulated; leave it out. It is for stock from files.",
        ),
        (("live", "--watch", "--source", "simulated"), "--source: --watch publishes nothing and has no use for it"),
        (("live", "--watch", "--seed", "3"), "--seed: --watch publishes nothing and has no use for it"),
        (("live", "--source", "alpaca", "--seed", "3"), "--seed: of no use to stock from alpaca --live; leave"),
        (("live", "--speed", "0"), "Invalid value for '--speed': Input should be greater than or equal to 0.001"),
    ],
)
def test_misuse_is_one_line_that_says_what_to_do(arguments: tuple[str, ...], said: str) -> None:
    result = run_command(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert said in result.stderr


def test_group_without_a_command_shows_its_help() -> None:
    result = run_command("topics")
    assert "tail" in result.stdout
    assert result.stderr == ""


def test_verify_lookahead_finds_none_on_the_lake(demo: Demo) -> None:
    found = demo.command.json("verify", "lookahead", "--weeks", "1", "--instants", "2", "SIM.ALFA", "AAA")
    assert found["clean"] is True
    assert found["values"] > 1000
    result = demo.command("verify", "lookahead", "NOSUCH")
    assert result.exit_code == 2
    assert "has no bars of NOSUCH" in result.stderr


def test_predict_without_a_predictor_says_so_in_one_line(demo: Demo) -> None:
    result = demo.command("predict", "SIM.ALFA")
    assert result.exit_code == 1
    assert "does not answer" in result.stderr
    assert result.stderr.count("\n") == 1


def test_train_of_what_has_no_feature_rows_is_refused_at_once(demo: Demo) -> None:
    for wanted, said in ((("SIM.ALFA",), "SIM.ALFA has no feature rows"), ((), "active tickers has feature rows")):
        result = demo.command("train", "--wait", *wanted)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert said in result.stderr


def test_train_without_active_tickers_is_refused_at_once(demo: Demo) -> None:
    active = [ticker["ticker"] for ticker in demo.command.json("tickers", "list")]
    assert demo.command("tickers", "remove", *active).exit_code == 0
    try:
        result = demo.command("train", "--wait")
    finally:
        assert demo.command("tickers", "add", *active).exit_code == 0
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "No ticker is active" in result.stderr


def test_train_of_what_cannot_be_a_ticker_or_kind_is_refused_before_it_is_sent(demo: Demo) -> None:
    for nonsense in (("no ticker",), ("SIM.ALFA", "--kinds", "crystal_ball")):
        result = demo.command("train", *nonsense)
        assert result.exit_code == 2
        assert nonsense[-1] in result.stderr
