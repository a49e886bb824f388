"""Users of the lake and their policies."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from infra.access.identities import LakeRight, identities_in
from shared.settings import LakeSettings
from shared.storage.lake_users import LakeUsers

# To see that an object is not there, and that a bucket is, is part of listing.
_LIST: Final = ["s3:GetBucketLocation", "s3:ListBucket"]
_OBJECTS: Final[Mapping[LakeRight, list[str]]] = {"read": ["s3:GetObject"], "write": ["s3:GetObject", "s3:PutObject"]}


def apply(settings: LakeSettings, passwords: Mapping[str, str]) -> Iterator[str]:
    """Make users and policies be as the table says; yield a line for each change.

    Args:
        settings: Where the store is, and the keys of its administrator.
        passwords: Of each identity.

    Raises:
        ConfigurationError: the lake is a folder or no MinIO, or its keys are not its administrator's.
        TransientError: the store does not answer.
    """
    users, identities, changed = LakeUsers(settings), identities_in("lake"), False
    for identity in identities:
        for change in users.ensure(identity.name, passwords[identity.name], statements_of(identity.buckets)):
            changed = True
            yield f"lake: {change}"
    if not changed:
        yield f"lake: {len(identities)} users, as the table of identities says"


def statements_of(buckets: Mapping[str, LakeRight]) -> list[dict[str, Any]]:
    """Return the statements of an S3 policy: what they do not allow is refused, deleting above all."""
    statements = [_allow(_LIST, [f"arn:aws:s3:::{bucket}" for bucket in buckets])]
    for right, actions in _OBJECTS.items():
        if objects := [f"arn:aws:s3:::{bucket}/*" for bucket, given in buckets.items() if given == right]:
            statements.append(_allow(actions, objects))
    return statements


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": sorted(actions), "Resource": sorted(resources)}
