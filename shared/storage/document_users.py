"""Users of the document store, each with one built-in role in our database."""

from typing import Any, Literal

from pydantic import SecretStr
from pymongo.errors import OperationFailure

from shared.closing import Closing
from shared.errors import ConfigurationError
from shared.settings import MongoSettings
from shared.storage.document_client import NO_SUCH_COMMAND, WRONG_LOGIN, document_client, document_errors, place_of


class DocumentUsers(Closing):
    """Makes users, in the database `admin`, where clients look them up.

    Every method raises ConfigurationError where the server refuses us or has no users, and TransientError where it does
    not answer.

    Args:
        settings: Where the store is, and the login of its administrator.
    """

    def __init__(self, settings: MongoSettings) -> None:
        self._settings = settings
        self._where = place_of(settings)
        self._client = document_client(settings)

    def ensure(self, name: str, password: str, role: Literal["read", "readWrite"]) -> list[str]:
        """Make a user with this role and no other one; return a line for each change. Again, it changes nothing."""
        wanted = [{"role": role, "db": self._settings.mongo_db}]
        with document_errors(self._where):
            found = self._found(name)
            if found is None:
                self._client.admin.command("createUser", name, pwd=password, roles=wanted)
                return [f"user {name} made, {role}"]
            lines = []
            if [{"role": one["role"], "db": one["db"]} for one in found["roles"]] != wanted:
                self._client.admin.command("updateUser", name, roles=wanted)
                lines.append(f"user {name}: has role {role} and no other")
            if not self._is_password(name, password):
                self._client.admin.command("updateUser", name, pwd=password)
                lines.append(f"user {name}: has its new password")
            return lines

    def close(self) -> None:
        """Free the client."""
        self._client.close()

    def _found(self, name: str) -> dict[str, Any] | None:
        try:
            users: list[dict[str, Any]] = self._client.admin.command("usersInfo", name)["users"]
        except OperationFailure as error:
            if error.code != NO_SUCH_COMMAND:
                raise
            raise ConfigurationError(f"{self._where} has no users. Give no passwords, or use MongoDB.") from None
        return users[0] if users else None

    def _is_password(self, name: str, password: str) -> bool:
        login = {"mongo_user": name, "mongo_password": SecretStr(password)}
        with document_client(self._settings.model_copy(update=login)) as client:
            try:
                client.admin.command("ping")
            except OperationFailure as error:
                if error.code != WRONG_LOGIN:
                    raise
                return False
        return True
