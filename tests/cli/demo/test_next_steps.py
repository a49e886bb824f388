"""What is named to be tried next: only commands that can answer."""

from pathlib import Path

import pytest

from cli.demo.next_steps import home_option, next_once, next_up


def test_without_models_nothing_that_needs_one_is_named() -> None:
    commands = " ".join(command for command, _ in next_up(served=False, simulated=True))
    assert not any(f"tickerstream {name} " in commands for name in ("predict", "models", "train", "verify"))
    assert "predict" not in " ".join(what for _, what in next_once(served=False))


@pytest.mark.parametrize("simulated", [True, False])
def test_the_simulated_exchange_is_named_only_where_its_bars_are(simulated: bool) -> None:
    commands = [command for command, _ in next_up(served=True, simulated=simulated)]
    assert any(command.startswith("tickerstream live") for command in commands) is simulated


def test_a_home_with_spaces_can_be_pasted() -> None:
    assert home_option(Path("/data/my home")) == " --home '/data/my home'"
    assert home_option(None) == ""
