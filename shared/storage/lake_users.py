"""Users of a lake in MinIO, each with one policy, through MinIO's own administration protocol."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from urllib3.exceptions import HTTPError

from shared.errors import ConfigurationError, TransientError
from shared.settings import LakeSettings
from shared.storage.s3_http import ConditionalPool, ServerUnwellError

_UNKNOWN: Final = ("XMinioAdminNoSuchUser", "XMinioAdminNoSuchPolicy")

T = TypeVar("T")


class LakeUsers:
    """Makes users and policies.

    Args:
        settings: LAKE_URL `s3://host:port` (or `s3s://`), and the keys of its administrator.

    Raises:
        ConfigurationError: the lake is no such store, or its keys are not set.
    """

    def __init__(self, settings: LakeSettings) -> None:
        scheme, _, endpoint = settings.lake_url.partition("://")
        if scheme not in ("s3", "s3s"):
            raise ConfigurationError(f"LAKE_URL: {settings.lake_url!r} has no users. Give no passwords, or use s3://.")
        if not (settings.lake_access_key and settings.lake_secret_key):
            raise ConfigurationError("LAKE_ACCESS_KEY, LAKE_SECRET_KEY: set those of the store's administrator.")
        self._url = settings.lake_url
        self._client = MinioAdmin(
            endpoint=endpoint.rstrip("/"),
            credentials=StaticProvider(settings.lake_access_key, settings.lake_secret_key.get_secret_value()),
            region=settings.lake_region,
            secure=scheme == "s3s",
            http_client=ConditionalPool(settings.lake_timeout_seconds),
        )

    def ensure(self, name: str, password: str, statements: Sequence[Mapping[str, Any]]) -> list[str]:
        """Make a user whose only rights are `statements`; doing it again changes nothing.

        The store does not tell whether a password is the one it has, so it is set each time.

        Args:
            name: Access key of the user, and name of its policy.
            password: Its secret key.
            statements: Of an S3 policy.

        Returns:
            One line for each thing that was made or changed.

        Raises:
            ConfigurationError: the store is no MinIO, or its keys are not its administrator's.
            TransientError: the store does not answer.
        """
        policy = {"Version": "2012-10-17", "Statement": [dict(one) for one in statements]}
        lines = self._fit_policy(name, policy)
        before = self._known(f"look up user {name}", lambda: self._client.user_info(name))
        self._asked(f"set the password of user {name}", lambda: self._client.user_add(name, password))
        if before is None:
            lines.append(f"user {name} made")
        return lines + self._fit_user(name, json.loads(before) if before else {})

    def _fit_policy(self, name: str, wanted: Mapping[str, Any]) -> list[str]:
        found = self._known(f"look up policy {name}", lambda: self._client.policy_info(name))
        if found is not None and _same(json.loads(found), wanted):
            return []
        self._asked(f"write policy {name}", lambda: self._client.policy_add(name, policy=dict(wanted)))
        return [f"policy {name} {'made' if found is None else 'changed'}"]

    def _fit_user(self, name: str, before: Mapping[str, Any]) -> list[str]:
        """Attach the user's own policy, and take away all other ones and memberships of groups."""
        attached = {one for one in str(before.get("policyName") or "").split(",") if one}
        lines = []
        if name not in attached:
            self._asked(f"give policy {name} to its user", lambda: self._client.attach_policy([name], user=name))
            lines.append(f"user {name}: has policy {name}")
        if much := sorted(attached - {name}):
            self._asked(f"take policies from user {name}", lambda: self._client.detach_policy(much, user=name))
            lines.append(f"taken away: policies {', '.join(much)} of user {name}")
        for group in before.get("memberOf") or ():
            self._asked(f"take user {name} from group {group}", partial(self._leave, name, group))
            lines.append(f"taken away: user {name} was in group {group}")
        return lines

    def _leave(self, name: str, group: str) -> str:
        members: Any = [name]  # the server wants a list, whatever the package's types say
        return self._client.group_remove(group, members)

    def _known(self, action: str, call: Callable[[], str]) -> str | None:
        """Return what `call` returns; None where there is no such user or policy."""
        try:
            return self._asked(action, call)
        except MinioAdminException:
            return None

    def _asked(self, action: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except MinioAdminException as error:
            if any(code in str(error) for code in _UNKNOWN):
                raise
            said = " ".join(str(error).split())[:300]
            raise ConfigurationError(
                f"cannot {action} at {self._url}: {said}. LAKE_ACCESS_KEY has to be MinIO's administrator."
            ) from error
        except (HTTPError, ServerUnwellError, OSError) as error:
            raise TransientError(f"cannot {action} at {self._url}: {error}. Is it up and LAKE_URL right?") from error


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two policies say the same; the store sorts lists in its own way."""

    def canonical(policy: Mapping[str, Any]) -> list[str]:
        return sorted(
            json.dumps({k: sorted(v) if isinstance(v, list) else v for k, v in statement.items()}, sort_keys=True)
            for statement in policy.get("Statement", ())
        )

    return canonical(one) == canonical(other)
