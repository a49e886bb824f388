"""What the roles of a PostgreSQL may do at this moment, and the statements that change it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import Connection, text

PUBLIC: Final = "public"
"""Everybody: stands for PostgreSQL's PUBLIC, and is the schema's name, too."""

_TAKEN: Final = "WHERE (acl.grantee = 0 OR grantee.rolname = ANY(:roles)) AND namespace.nspname = 'public'"
_GRANTEE: Final = "COALESCE(grantee.rolname, 'public'), LOWER(acl.privilege_type)"
_PRESENT: Final = text(
    f"""
    SELECT {_GRANTEE}, 'database', datname, NULL
    FROM pg_database
        CROSS JOIN LATERAL aclexplode(COALESCE(datacl, acldefault('d', datdba))) acl
        LEFT JOIN pg_roles grantee ON grantee.oid = acl.grantee
    WHERE datname = current_database() AND (acl.grantee = 0 OR grantee.rolname = ANY(:roles))
    UNION ALL
    SELECT {_GRANTEE}, 'schema', nspname, NULL
    FROM pg_namespace namespace
        CROSS JOIN LATERAL aclexplode(COALESCE(nspacl, acldefault('n', nspowner))) acl
        LEFT JOIN pg_roles grantee ON grantee.oid = acl.grantee
    {_TAKEN}
    UNION ALL
    SELECT {_GRANTEE}, CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, relname, NULL
    FROM pg_class
        JOIN pg_namespace namespace ON namespace.oid = relnamespace
        CROSS JOIN LATERAL aclexplode(relacl) acl
        LEFT JOIN pg_roles grantee ON grantee.oid = acl.grantee
    {_TAKEN}
    UNION ALL
    SELECT {_GRANTEE}, 'function', pg_proc.oid::regprocedure::text, NULL
    FROM pg_proc
        JOIN pg_namespace namespace ON namespace.oid = pronamespace
        CROSS JOIN LATERAL aclexplode(COALESCE(proacl, acldefault('f', proowner))) acl
        LEFT JOIN pg_roles grantee ON grantee.oid = acl.grantee
    {_TAKEN}
    UNION ALL
    SELECT {_GRANTEE}, 'table', relname, attname
    FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        JOIN pg_namespace namespace ON namespace.oid = relnamespace
        CROSS JOIN LATERAL aclexplode(attacl) acl
        LEFT JOIN pg_roles grantee ON grantee.oid = acl.grantee
    {_TAKEN}
    """  # noqa: S608  constants
)
_SEQUENCES: Final = text(
    """
    SELECT used.relname FROM pg_attrdef
        JOIN pg_depend ON pg_depend.classid = 'pg_attrdef'::regclass AND pg_depend.objid = pg_attrdef.oid
        JOIN pg_class used ON pg_depend.refclassid = 'pg_class'::regclass AND used.oid = pg_depend.refobjid
    WHERE adrelid = to_regclass(:table) AND used.relkind = 'S'
    """
)


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """Something that a role may do.

    Attributes:
        role: Who; PUBLIC is everybody.
        privilege: `select`, `insert`, `usage` and so on.
        kind: What `name` is.
        name: Of the thing; of a function with the types of its arguments.
        column: Only this column of a table; empty: all of it.
    """

    role: str
    privilege: str
    kind: Literal["database", "schema", "table", "sequence", "function"]
    name: str
    column: str = ""

    @property
    def give(self) -> str:
        """Return the statement that grants it."""
        return f"GRANT {self._what} TO {_role(self.role)}"

    @property
    def take(self) -> str:
        """Return the statement that revokes it, with what others were granted on its ground."""
        return f"REVOKE {self._what} FROM {_role(self.role)} CASCADE"

    @property
    def _what(self) -> str:
        column = f' ("{self.column}")' if self.column else ""
        name = self.name if self.kind == "function" else f'"{self.name}"'
        return f"{self.privilege.upper()}{column} ON {self.kind.upper()} {name}"

    def __str__(self) -> str:
        of = f".{self.column}" if self.column else ""
        return f"{self.role}: {self.privilege} on {self.kind} {self.name}{of}"


def present(connection: Connection, roles: Collection[str]) -> set[Grant]:
    """Return what these roles, and everybody, may do with this database, its schema `public` and what is in it."""
    found = connection.execute(_PRESENT, {"roles": list(roles)})
    return {Grant(role, privilege, kind, name, column or "") for role, privilege, kind, name, column in found}


def sequences_of(connection: Connection, table: str) -> list[str]:
    """Return the sequences that an insert into a table draws from (those of identity columns need no right)."""
    return list(connection.execute(_SEQUENCES, {"table": f'public."{table}"'}).scalars())


def _role(name: str) -> str:
    return "PUBLIC" if name == PUBLIC else f'"{name}"'
