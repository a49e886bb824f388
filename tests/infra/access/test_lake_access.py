"""What users of the lake may do, asked of MinIO; the rights are written down here once more."""

from collections.abc import Callable, Iterator
from functools import partial
from uuid import uuid4

import pytest
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error
from pydantic import SecretStr

from cli.verify.lake_objects import LakeFiles
from infra.access import lake_access
from shared.errors import ConfigurationError, TransientError
from shared.ports import ObjectStore
from shared.settings import LakeSettings
from shared.storage.lake import open_store
from tests.infra.access.conftest import passwords
from tests.infra.access.secured import PASSWORDS

BUCKETS = ("stock-data", "macro-data", "company-fundamentals", "corporate-actions")
READS = {"consumers": set(BUCKETS), "aggregator": {"stock-data"}, "cli": set(BUCKETS), "predictor": set()}
WRITES = {"consumers": set(BUCKETS), "aggregator": set(), "cli": set(), "predictor": set()}
UNCHANGED = ["lake: 3 users, as the table of identities says"]


def as_user(root: LakeSettings, name: str, password: str | None = None) -> LakeSettings:
    keys = {"lake_access_key": name, "lake_secret_key": SecretStr(password or PASSWORDS[name])}
    return root.model_copy(update=keys)


def client(settings: LakeSettings) -> Minio:
    assert settings.lake_secret_key
    endpoint, secret = settings.lake_url.removeprefix("s3://"), settings.lake_secret_key.get_secret_value()
    return Minio(endpoint, settings.lake_access_key, secret, secure=False, region=settings.lake_region)


@pytest.fixture
def admin(lake_root: LakeSettings) -> MinioAdmin:
    return admin_of(lake_root)


def admin_of(settings: LakeSettings) -> MinioAdmin:
    assert settings.lake_access_key
    assert settings.lake_secret_key
    keys = StaticProvider(settings.lake_access_key, settings.lake_secret_key.get_secret_value())
    return MinioAdmin(endpoint=settings.lake_url.removeprefix("s3://"), credentials=keys, secure=False)


def succeeds(call: Callable[[], object]) -> bool:
    try:
        call()
    except ConfigurationError as error:
        assert "has no right to" in str(error) or "InvalidAccessKeyId" in str(error), error
        return False
    return True


def buckets_of(store: ObjectStore, call: Callable[[ObjectStore, str], object]) -> set[str]:
    """Return the buckets with which a call is allowed."""
    return {bucket for bucket in BUCKETS if succeeds(partial(call, store, bucket))}


@pytest.fixture
def name(lake_root: LakeSettings) -> Iterator[str]:
    """The name of an object that lies in every bucket."""
    one = f"AAPL/{uuid4().hex}"
    for bucket in BUCKETS:
        open_store(lake_root).put(bucket, one, b"first", expected=None)
    yield one


@pytest.mark.parametrize("user", list(READS))
def test_users_read_and_write_what_the_table_says(lake_root: LakeSettings, user: str, name: str) -> None:
    store = open_store(as_user(lake_root, user))

    def replace(store: ObjectStore, bucket: str) -> None:
        there = open_store(lake_root).get(bucket, name)
        assert there
        store.put(bucket, name, b"second", expected=there.etag)

    assert buckets_of(store, lambda s, b: s.get(b, name)) == READS[user]
    assert buckets_of(store, lambda s, b: s.get(b, "none/there")) == READS[user]
    assert buckets_of(store, lambda s, b: list(s.list(b))) == READS[user]
    assert buckets_of(store, lambda s, b: s.put(b, f"{name}-{user}", b"new", expected=None)) == WRITES[user]
    assert buckets_of(store, replace) == WRITES[user]


@pytest.mark.parametrize("user", ["consumers", "aggregator", "cli"])
def test_nobody_deletes_or_changes_buckets(lake_root: LakeSettings, user: str, name: str) -> None:
    mine = client(as_user(lake_root, user))
    for bucket in BUCKETS:
        for call in (
            lambda b=bucket: mine.remove_object(b, name),
            lambda b=bucket: mine.remove_bucket(b),
            lambda b=bucket: mine.set_bucket_policy(b, "{}"),
            lambda b=bucket: mine.delete_bucket_lifecycle(b),
        ):
            with pytest.raises(S3Error, match="AccessDenied"):
                call()
        assert open_store(lake_root).get(bucket, name)
    with pytest.raises(S3Error, match="AccessDenied"):
        mine.make_bucket("its-own")
    with pytest.raises(MinioAdminException, match="AccessDenied"):
        admin_of(as_user(lake_root, user)).user_list()


def test_start_of_a_consumer_works_with_its_rights(lake_root: LakeSettings) -> None:
    store = open_store(as_user(lake_root, "consumers"))
    for bucket in BUCKETS:
        assert store.ensure_bucket(bucket) is False
        store.probe(bucket)


def test_cli_lists_the_lake_as_any_reader_does(lake_root: LakeSettings, name: str) -> None:
    files = LakeFiles(as_user(lake_root, "cli"))
    assert files.buckets() == sorted(BUCKETS)
    assert name in [one.name for one in files.objects("stock-data")]
    assert LakeFiles(as_user(lake_root, "aggregator")).buckets() == ["stock-data"]


def test_second_time_changes_nothing_and_what_is_too_much_is_taken_away(
    lake_root: LakeSettings, admin: MinioAdmin, name: str
) -> None:
    assert list(lake_access.apply(lake_root, passwords("lake"))) == UNCHANGED
    anything = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}
    admin.policy_add("aggregator", policy={"Version": "2012-10-17", "Statement": [anything]})
    admin.attach_policy(["readwrite"], user="cli")
    admin.group_add("deleters", ["consumers"])  # type: ignore[arg-type]  the server wants a list
    admin.attach_policy(["readwrite"], group="deleters")
    client(as_user(lake_root, "aggregator")).remove_object("macro-data", name)

    assert list(lake_access.apply(lake_root, passwords("lake"))) == [
        "lake: taken away: user consumers was in group deleters",
        "lake: policy aggregator changed",
        "lake: taken away: policies readwrite of user cli",
    ]
    for user in ("consumers", "aggregator", "cli"):
        with pytest.raises(S3Error, match="AccessDenied"):
            client(as_user(lake_root, user)).remove_object("stock-data", name)
    assert list(lake_access.apply(lake_root, passwords("lake"))) == UNCHANGED


def test_new_password_is_the_one_that_counts(lake_root: LakeSettings) -> None:
    changed = as_user(lake_root, "cli", "another-password-for-it")
    list(lake_access.apply(lake_root, passwords("lake") | {"cli": "another-password-for-it"}))
    assert list(open_store(changed).list("macro-data")) is not None
    with pytest.raises(ConfigurationError, match="LAKE_SECRET_KEY"):
        list(open_store(as_user(lake_root, "cli")).list("macro-data"))
    list(lake_access.apply(lake_root, passwords("lake")))
    assert list(open_store(as_user(lake_root, "cli")).list("macro-data")) is not None


def test_who_is_no_administrator_is_told_so(lake_root: LakeSettings) -> None:
    with pytest.raises(ConfigurationError, match="administrator"):
        list(lake_access.apply(as_user(lake_root, "consumers"), passwords("lake")))


def test_lake_in_a_folder_has_no_users(lake_root: LakeSettings) -> None:
    with pytest.raises(ConfigurationError, match="LAKE_URL"):
        list(lake_access.apply(LakeSettings.load(lake_url="file:///tmp/lake"), passwords("lake")))
    gone = lake_root.model_copy(update={"lake_url": "s3://127.0.0.1:1"})
    with pytest.raises(TransientError, match="LAKE_URL"):
        list(lake_access.apply(gone, passwords("lake")))
