"""Each service of the compose file is given every setting that its own code loads, not only some service each."""

import ast
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.infra.compose.test_compose_file import AS_ROOT, OURS, ROOT, SERVICES, secrets_of

Place = tuple[str, str]  # a module, and a name at its top
PACKAGES = {"shared", "consumers", "aggregator", "train", "predictor", "producers", "infra", "cli"}
SERVICE: Place = ("shared.runtime.service", "run")
OFFERS: Place = ("producers.sources", "OFFERS")
STARTS: dict[str, list[Place]] = {
    "consumers": [SERVICE, ("consumers.service", "consume")],
    "aggregator": [SERVICE, ("aggregator.service", "aggregate")],
    "train": [SERVICE, ("train.service", "train")],
    "predictor": [SERVICE, ("predictor.service", "serve")],
    "producers": [SERVICE, ("producers.service", "publish")],
    "provision": [("infra.provision", "main")],
}
ASKING = ("alpaca", "fred")  # sources that need the internet, which the command does not reach there

NOWHERE = {
    "KAFKA_SSL_CA_LOCATION": "the stack's own network carries no TLS",
    "TICKERSTREAM_FAILPOINTS": "tests only",
    "TICKERSTREAM_CACHE": "the embedded stack only",
    "TICKERSTREAM_HOME": "the images say it",
    "MODEL_DIR": "the images say it",
    "ACCESS_SECRETS_DIR": "its default is where secrets are",
}
NOT_THERE = {
    "consumers-predictions": {
        "reason": "the ledger has a pace of its own",
        "names": {"LAKE_FLUSH_SECONDS", "LAKE_FLUSH_ROWS", "LAKE_WRITERS", "LAKE_IDLE_SECONDS"},
    },
    "cli": {
        "reason": "it ends by itself, and what its producers write is its own to show",
        "names": {"HEARTBEAT_FILE", "METRICS_HOST", "METRICS_PORT", "LOG_LEVEL", "LOG_FORMAT"},
    },
}


@cache
def tree(module: str) -> ast.Module:
    spec = find_spec(module)
    assert spec
    assert spec.origin
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


@cache
def top(module: str) -> dict[str, ast.AST]:
    """What a module defines at its top, by name."""
    found: dict[str, ast.AST] = {}
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
            if isinstance(target, ast.Name):
                found[target.id] = node
    return found


@cache
def imports(node: ast.AST) -> dict[str, Place]:
    """The names that are imported from our own packages anywhere in `node`."""
    return {
        alias.asname or alias.name: (one.module, alias.name)
        for one in ast.walk(node)
        if isinstance(one, ast.ImportFrom) and one.module and one.module.partition(".")[0] in PACKAGES
        for alias in one.names
    }


@cache
def named_in(place: Place) -> dict[Place, bool]:
    """What is named in a definition -> whether it is loaded there."""
    module, name = place
    node = top(module).get(name)
    if node is None:
        return {}
    known = imports(tree(module)) | imports(node)
    loaded = {
        one.value.id
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and one.attr == "load" and isinstance(one.value, ast.Name)
    }
    used = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return {known.get(one, (module, one)): one in loaded for one in used}


def loaded_from(starts: list[Place]) -> set[type[Settings]]:
    """The settings that are loaded on the way from some definitions to all that they name."""
    seen, waiting, found = {OFFERS}, list(starts), set()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        for used, loaded in named_in(place).items():
            kind = getattr(import_module(used[0]), used[1], None) if loaded else None
            if isinstance(kind, type) and issubclass(kind, Settings):
                found.add(kind)
            waiting.append(used)
    return found


def makers(producer: str | None, source: str | None) -> list[Place]:
    """The functions that make the sources of the table that are called so; of all where no name is given."""
    from producers.sources import OFFERS

    return [
        (make.__module__, make.__name__)
        for one, offers in OFFERS.items()
        for name, offer in offers.items()
        if producer in (None, one) and (source == name or (source is None and name not in ASKING))
        for make in (offer.history, offer.live)
        if make is not None
    ]


def starts_of(service: str) -> list[Place]:
    target, command = SERVICES[service]["build"]["target"], SERVICES[service].get("command", [])
    if target == "cli":
        files = (ROOT / "cli").rglob("*.py")
        modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files if file.stem != "__init__"]
        return [*((m, name) for m in modules for name in top(m)), *STARTS["producers"], *makers(None, None)]
    if command == ["predictions"]:
        return [SERVICE, ("consumers.ledger", "keep_ledger")]
    if target == "producers" and command:
        return [*STARTS[target], *makers(command[0], command[command.index("--source") + 1])]
    return [*STARTS[target], *(makers(None, None) if target == "producers" else [])]


@pytest.mark.parametrize("service", sorted(set(OURS) - set(AS_ROOT)))
def test_service_is_given_every_setting_that_it_loads(service: str) -> None:
    kinds = loaded_from(starts_of(service))
    given = {*SERVICES[service]["environment"], *(name.upper() for name in secrets_of(SERVICES[service]).values())}
    wanted = {name.upper() for kind in kinds for name in kind.model_fields}
    lacking = {"POSTGRES_HOST", "LAKE_URL", "KAFKA_BOOTSTRAP_SERVERS"} & given - wanted
    assert lacking == set(), "the way to what loads it is not found here"
    assert wanted - given - NOWHERE.keys() == NOT_THERE.get(service, {"names": set()})["names"]


def test_settings_of_every_module_that_loads_some_are_found() -> None:
    found = set().union(*(loaded_from(starts_of(service)) for service in set(OURS) - set(AS_ROOT)))
    asking = loaded_from(makers(None, "alpaca") + makers(None, "fred"))
    assert asking <= found, "a service for each source"
    there = {
        name
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for name in re.findall(r"^class (\w+)\(Settings\)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {kind.__name__ for kind in found} == there
