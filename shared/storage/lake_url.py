"""What LAKE_URL says where the lake is a folder. The stores and the verifier ask here: they have to mean one folder."""

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

_FILE = "file://"


def folder_of(lake_url: str) -> Path | None:
    """Return the folder that LAKE_URL names; None where it names none.

    All that follows `file://` is its path, which may be written as it is (`#` and `?` included) or, as
    `Path.as_uri` writes it, with escapes: only a `%` of the path itself has to be escaped. `file:///folder` is
    absolute, `file://folder` relative to the working folder.
    """
    if not lake_url.startswith(_FILE) or lake_url == _FILE:
        return None
    return Path(os.fsdecode(unquote_to_bytes(lake_url.removeprefix(_FILE))))
