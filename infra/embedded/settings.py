"""Where the embedded stack lives, read from the environment."""

from pathlib import Path

from pydantic import Field

from infra.embedded.layout import Home
from shared.settings import Settings


class EmbeddedSettings(Settings):
    """The folders of an embedded stack."""

    tickerstream_home: Path = Field(Path(".tickerstream"), description="data, logs and state of one stack")
    tickerstream_cache: Path | None = Field(
        None, description="downloaded jars, shared by several homes; by default `cache` in the home"
    )


def resolve_home(home: Path | None = None) -> Home:
    """Return the home to work in: `home`, else TICKERSTREAM_HOME, else `.tickerstream` in the current folder."""
    settings = EmbeddedSettings.load()
    root = (home or settings.tickerstream_home).expanduser().absolute()
    cache = settings.tickerstream_cache
    return Home(root, (cache.expanduser().absolute() if cache else root / "cache"))
