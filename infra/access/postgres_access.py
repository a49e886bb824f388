"""Roles of PostgreSQL: one an identity, with the rights of the table and no other ones."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from sqlalchemy import Connection, Engine, text

from infra.access.identities import Identity, identities_in
from infra.access.postgres_state import Grant, present, sequences_of
from shared.errors import ConfigurationError
from shared.storage.postgres import password_verifier, transaction

_LOCK: Final = 7_401_985_305  # any fixed number that names this lock: provisioners wait in line
_CAN: Final = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_ROLES: Final = text(
    """
    SELECT rolname, rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)
    FROM pg_roles WHERE rolname = ANY(:roles)
    """
)
_MEMBERSHIPS: Final = text(
    """
    SELECT role.rolname, member.rolname FROM pg_auth_members
        JOIN pg_roles role ON role.oid = roleid JOIN pg_roles member ON member.oid = pg_auth_members.member
    WHERE member.rolname = ANY(:roles) ORDER BY 2, 1
    """
)
_OWNERS: Final = text(
    """
    SELECT DISTINCT rolname FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid
    WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o' AND rolname = ANY(:roles)
        AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 1
    """
)
_POLICIES: Final = text(
    "SELECT policyname, roles::text[], qual, with_check FROM pg_policies WHERE tablename = 'outbox'"
)


def apply(engine: Engine, passwords: Mapping[str, str]) -> Iterator[str]:
    """Make roles and rights be as the table says, all or nothing; yield a line for each change.

    Everything belongs to whom provisioning logs in as, who made it. A new table, or a partition of one, gives nobody a
    right: rights through a partitioned table are those on the table itself, and cover columns that come later.

    Args:
        engine: Logged in as the owner of the schema, who may make roles.
        passwords: Of each identity.

    Raises:
        ConfigurationError: we are one of the identities, or have not the right to do it.
        TransientError: the server does not answer.
    """
    identities = identities_in("postgres")
    roles = [identity.name for identity in identities]
    with transaction(engine) as connection:
        if engine.url.username in roles:
            raise ConfigurationError(f"POSTGRES_USER: {engine.url.username} is a service. Provision as the owner.")
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        changes = [
            *_make_roles(connection, passwords),
            *_free_roles(connection, roles),
            *_fit_grants(connection, identities),
            *_fit_outbox(connection, identities),
        ]
    yield from (f"postgres: {change}" for change in changes)
    if not changes:
        yield f"postgres: {len(roles)} roles, as the table of identities says"


def _make_roles(connection: Connection, passwords: Mapping[str, str]) -> Iterator[str]:
    """Make the roles, and set their passwords; the server gets a verifier, so that no log of it can hold a password."""
    plain = {name: fits for name, fits in connection.execute(_ROLES, {"roles": list(passwords)})}  # noqa: C416  no dict
    for name, password in passwords.items():
        verb = "ALTER" if name in plain else "CREATE"
        verifier = password_verifier(connection, name, password)
        connection.exec_driver_sql(f"{verb} ROLE \"{name}\" {_CAN} PASSWORD '{verifier}'")
        if name not in plain:
            yield f"role {name} made"
        elif not plain[name]:
            yield f"role {name}: may log in, and nothing of a superuser's"


def _free_roles(connection: Connection, roles: list[str]) -> Iterator[str]:
    """Take away what roles may do as members of others, and what they own."""
    for role, member in connection.execute(_MEMBERSHIPS, {"roles": roles}).all():
        connection.exec_driver_sql(f'REVOKE "{role}" FROM "{member}" CASCADE')
        yield f"taken away: {member} is a member of {role}"
    for owner in connection.execute(_OWNERS, {"roles": roles}).scalars().all():
        connection.exec_driver_sql(f'REASSIGN OWNED BY "{owner}" TO CURRENT_USER')
        yield f"taken away: {owner} owned something"


def _fit_grants(connection: Connection, identities: Iterable[Identity]) -> Iterator[str]:
    names = [identity.name for identity in identities]
    wanted = {grant for identity in identities for grant in wanted_of(connection, identity)}
    there = present(connection, names)
    for grant in sorted(there - wanted):
        connection.exec_driver_sql(grant.take)
        yield f"taken away: {grant}"
    given = sorted(wanted - there)
    for grant in given:
        connection.exec_driver_sql(grant.give)
    counts = {name: sum(grant.role == name for grant in given) for name in names}
    yield from (f"{name}: {count} rights given" for name, count in counts.items() if count)


def wanted_of(connection: Connection, identity: Identity) -> set[Grant]:
    """Return what a role is to be allowed, by the table and by the sequences that its inserts draw from."""
    name = identity.name
    database = connection.execute(text("SELECT current_database()")).scalar_one()
    wanted = {Grant(name, "connect", "database", database), Grant(name, "usage", "schema", "public")}
    wanted |= {Grant(name, "execute", "function", function) for function in identity.functions}
    for table, rights in identity.tables.items():
        wanted.add(Grant(name, "select", "table", table))
        wanted |= {Grant(name, "update", "table", table, column) for column in rights.update}
        if rights.insert:
            wanted.add(Grant(name, "insert", "table", table))
            drawn = sequences_of(connection, table)
            wanted |= {Grant(name, "usage", "sequence", sequence) for sequence in drawn}
    return wanted


def _fit_outbox(connection: Connection, identities: Iterable[Identity]) -> Iterator[str]:
    """Show each role only those rows of the outbox that it may send; the owner sees all."""
    wanted = {identity.name: _expression(identity) for identity in identities if identity.outbox}
    there = {name: (tuple(roles), qual, check) for name, roles, qual, check in connection.execute(_POLICIES)}
    right = {name: ((name,), f"({said})", f"({said})") for name, said in wanted.items()}
    for name in sorted(there.keys() | right.keys()):
        if there.get(name) == right.get(name):
            continue
        connection.exec_driver_sql(f'DROP POLICY IF EXISTS "{name}" ON outbox')
        if name in wanted:
            said = wanted[name]
            connection.exec_driver_sql(
                f'CREATE POLICY "{name}" ON outbox TO "{name}" USING ({said}) WITH CHECK ({said})'
            )
        yield f"outbox: {name} {'sees what it may send' if name in wanted else 'sees nothing any more'}"
    enabled = text("SELECT relrowsecurity FROM pg_class WHERE oid = 'outbox'::regclass")
    if not connection.execute(enabled).scalar_one():
        connection.exec_driver_sql("ALTER TABLE outbox ENABLE ROW LEVEL SECURITY")
        yield "outbox: rows are shown by role"


def _expression(identity: Identity) -> str:
    """Return the condition on rows in the words that PostgreSQL itself says it in."""
    topics = ", ".join(f"'{topic.name}'::text" for topic in identity.outbox)
    return f"topic = ANY (ARRAY[{topics}])"
