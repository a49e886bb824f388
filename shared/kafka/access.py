"""Makes Kafka's users and their rights be as a table says: nobody of ours keeps a right that is not in it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from shared.errors import ConfigurationError
from shared.kafka.config import error_of

_SECONDS: Final = 15.0
_ITERATIONS: Final = 4096  # Kafka's own number; passwords are random, not remembered
_ANYBODY: Final = "*"
_KINDS: Final = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
_OPERATIONS: Final = {"read": AclOperation.READ, "write": AclOperation.WRITE, "describe": AclOperation.DESCRIBE}
_PATTERNS: Final = {False: ResourcePatternType.LITERAL, True: ResourcePatternType.PREFIXED}


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """Something that a user may do: `read` and `write` include `describe`.

    Attributes:
        kind: What `name` is.
        name: Of a topic or consumer group.
        operation: `read` of a group is to be a member of it.
        prefix: Whether it is about every name that begins with `name`.
    """

    kind: Literal["topic", "group"]
    name: str
    operation: Literal["read", "write", "describe"]
    prefix: bool = False

    def __str__(self) -> str:
        return f"{self.operation} {self.kind} {self.name}{'*' if self.prefix else ''}"


class AccessKeeper:
    """Sets users and rights.

    Args:
        client: An AdminClient of a super user.
        patiently: Repeats a call while Kafka does not answer.
    """

    def __init__(self, client: Any, patiently: Callable[[Callable[[], Any], str], Any]) -> None:
        self._client = client
        self._patiently = patiently

    def keep(self, passwords: Mapping[str, str], wanted: Mapping[str, Collection[Right]]) -> list[str]:
        """Give users their passwords (SCRAM-SHA-512) and exactly these rights; return a line for each right changed.

        Kafka does not tell whether a password is the one it has, so it is set each time; whoever is logged in stays so.
        Nor is it asked who is there: where that is refused, librdkafka 2.16 ends the process.
        """
        present = {binding for binding in self._present() if binding.principal.removeprefix("User:") in wanted}
        for user, password in sorted(passwords.items()):
            self._set_password(user, password)
        bindings = {_binding(user, right): (user, str(right)) for user, rights in wanted.items() for right in rights}
        lacking, much = sorted(bindings.keys() - present, key=str), sorted(present - bindings.keys(), key=str)
        for binding in lacking:
            self._give(binding)
        for binding in much:
            self._take(_filter_of(binding))
        given: dict[str, list[str]] = {}
        for user, right in (bindings[binding] for binding in lacking):
            given.setdefault(user, []).append(right)
        lines = [f"{user} may {', '.join(sorted(rights))}" for user, rights in sorted(given.items())]
        return lines + [f"taken away: {_words(binding)}" for binding in much]

    def _set_password(self, user: str, password: str) -> None:
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
        change = UserScramCredentialUpsertion(user, info, password.encode())
        self._done(lambda: self._client.alter_user_scram_credentials([change])[user], f"setting {user}'s password")

    def _give(self, binding: Any) -> None:
        self._done(lambda: self._client.create_acls([binding])[binding], f"granting {_words(binding)}")

    def _take(self, matching: Any) -> None:
        self._done(lambda: self._client.delete_acls([matching])[matching], "taking rights away")

    def _present(self) -> list[Any]:
        anything: Any = None
        everything = AclBindingFilter(
            ResourceType.ANY,
            anything,
            ResourcePatternType.ANY,
            anything,
            anything,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        found: list[Any] = self._done(lambda: self._client.describe_acls(everything), "reading rights")
        return found

    def _done(self, call: Callable[[], Any], doing: str) -> Any:
        """Return what comes of `call`, asked again while Kafka does not answer.

        Raises:
            ConfigurationError: Kafka refuses it.
        """
        try:
            return self._patiently(lambda: call().result(_SECONDS), doing)
        except KafkaException as exception:
            raise _refused(doing, exception) from None


def _binding(user: str, right: Right) -> Any:
    return AclBinding(
        _KINDS[right.kind],
        right.name,
        _PATTERNS[right.prefix],
        f"User:{user}",
        _ANYBODY,
        _OPERATIONS[right.operation],
        AclPermissionType.ALLOW,
    )


def _filter_of(binding: Any) -> Any:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _words(binding: Any) -> str:
    user = binding.principal.removeprefix("User:")
    what = f"{binding.operation.name.lower()} {binding.restype.name.lower()} {binding.name}"
    return f"{user} {binding.permission_type.name.lower()} {what}"


def _refused(doing: str, exception: KafkaException) -> ConfigurationError:
    said = str(error_of(exception).str()).rstrip(".")
    return ConfigurationError(
        f"Kafka failed at {doing}: {said}. Provision as a super user of the broker, which needs an authorizer."
    )
