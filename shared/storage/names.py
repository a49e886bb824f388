"""Which bucket and object names exist: the same ones in a folder, in memory and on S3."""

import re
from typing import Final

from shared.errors import ContractError

PROBE_NAME: Final = ".tickerstream-probe"
"""The one object that `probe` writes; listings leave it out. It stays, for services have no right to delete."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=+@-]{0,199}")
_LONGEST: Final = 800


def check_bucket(bucket: str) -> str:
    """Return `bucket` if it is a bucket's name.

    Raises:
        ContractError: it is not.
    """
    if not _BUCKET.fullmatch(bucket):
        raise ContractError(f"{bucket!r} is no bucket name; use 3 to 63 lower-case letters, digits and dashes.")
    return bucket


def check_name(name: str) -> str:
    """Return `name` if it is an object's name: parts joined by `/`, none empty, none that begins with a dot.

    Raises:
        ContractError: it is not.
    """
    if name != PROBE_NAME and not _is_name(name):
        raise ContractError(
            f"{name[:100]!r} is no object name; use letters, digits and ._=+@- in parts joined by /, no leading dot."
        )
    return name


def check_prefix(prefix: str) -> str:
    """Return `prefix` if an object's name could begin with it.

    Raises:
        ContractError: none could.
    """
    if not _is_name(f"{prefix}x"):
        raise ContractError(f"no object name begins with {prefix[:100]!r}; see what lies there with an empty prefix.")
    return prefix


def _is_name(name: str) -> bool:
    return len(name) <= _LONGEST and all(_PART.fullmatch(part) for part in name.split("/"))
