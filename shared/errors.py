"""Errors that say who must act: wait, set one message aside, or call a person."""


class TickerstreamError(Exception):
    """Any error of ours; its text says what happened, why, and what to do."""


class TransientError(TickerstreamError):
    """Something outside is unwell for now. Adapters retry it within bounds; then a service pauses and says so."""


class PoisonMessageError(TickerstreamError):
    """This one record can never be handled. It goes to the dead letters with this reason; the stream goes on.

    Args:
        reason: One line for people.
        error_class: Stable short name that dead letters are grouped by, such as `bad_json`.
    """

    def __init__(self, reason: str, error_class: str = "poison") -> None:
        super().__init__(reason)
        self.reason = reason
        self.error_class = error_class


class ContractError(TickerstreamError):
    """The stream or a store breaks the contract in a way that only a person can mend. Exit 2, one line."""


class ConfigurationError(TickerstreamError):
    """A setting is missing or wrong. Exit 2, one line."""


class DeliveryError(TickerstreamError):
    """Kafka refused a record for good. Nothing may be committed past it: end with exit 1 and be started again."""
