"""The identities' passwords: files named `<server>_<identity>`, which only provisioning gets all of."""

from pathlib import Path
from typing import Final

from infra.access.identities import Server, identities_in
from shared.errors import ConfigurationError
from shared.settings import Settings

SHORTEST: Final = 16


class AccessSettings(Settings):
    """Where the passwords lie."""

    access_secrets_dir: Path = Path("/run/secrets")


def passwords_for(server: Server, folder: Path) -> dict[str, str] | None:
    """Return the password of each identity in a server; None where the folder has none of them.

    Raises:
        ConfigurationError: some are there and others are not, or one is too short to be random.
    """
    files = {identity.name: folder / f"{server}_{identity.name}" for identity in identities_in(server)}
    if not any(file.is_file() for file in files.values()):
        return None
    return {name: _read(file) for name, file in files.items()}


def _read(file: Path) -> str:
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"ACCESS_SECRETS_DIR: {file} cannot be read: {error.strerror}. Make it, with a password of its own."
        ) from None
    if len(password) < SHORTEST:
        raise ConfigurationError(
            f"{file} holds {len(password)} characters; make it a random one of {SHORTEST} or more."
        )
    return password
