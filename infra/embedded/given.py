"""The settings that a command was given for the services: they travel to the supervisor with its request."""

import os
from importlib import import_module

from infra.embedded.addresses import addresses
from infra.embedded.layout import Home
from infra.embedded.services import SERVICES
from infra.embedded.unit import NEVER_INHERITED
from shared.settings import Settings


def given_settings(home: Home) -> dict[str, str]:
    """Return the variables of our environment that are settings of a service of the stack in `home`.

    What the stack itself says, addresses and logins, is not among them.
    """
    kept = NEVER_INHERITED | addresses(home).environment().keys()
    return {name: os.environ[name] for name in (_names() & os.environ.keys()) - kept}


def _names() -> set[str]:
    # By their names, as the services themselves are started: nothing here imports what they do.
    modules = {"shared", *(entry.arguments[2] for entry in SERVICES)}
    found = [one for name in modules for one in vars(import_module(f"{name}.settings")).values()]
    kinds = [one for one in found if isinstance(one, type) and issubclass(one, Settings)]
    return {name.upper() for kind in kinds for name in kind.model_fields}


def settings_in(request: dict[str, object]) -> dict[str, str]:
    """Return the settings that came with a request."""
    given = request.get("settings")
    return {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}
