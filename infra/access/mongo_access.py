"""Users of the document store."""

from collections.abc import Iterator, Mapping

from infra.access.identities import identities_in
from shared.settings import MongoSettings
from shared.storage.document_users import DocumentUsers


def apply(settings: MongoSettings, passwords: Mapping[str, str]) -> Iterator[str]:
    """Make the users and their roles be as the table says; yield a line for each change.

    Args:
        settings: Where the store is, and the login of its administrator.
        passwords: Of each identity.

    Raises:
        ConfigurationError: the store has no users, or we are not its administrator.
        TransientError: the store does not answer.
    """
    identities, changed = identities_in("mongo"), False
    with DocumentUsers(settings) as users:
        for identity in identities:
            if identity.documents is not None:
                for change in users.ensure(identity.name, passwords[identity.name], identity.documents):
                    changed = True
                    yield f"documents: {change}"
    if not changed:
        yield f"documents: {len(identities)} users, as the table of identities says"
