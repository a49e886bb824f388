"""Opens the lake that LAKE_URL names: a folder, or a bucket store that speaks S3."""

from shared.errors import ConfigurationError
from shared.settings import LakeSettings
from shared.storage.folder import FolderStore
from shared.storage.lake_url import folder_of
from shared.storage.metered import MeteredStore
from shared.storage.s3 import S3Store


def open_store(settings: LakeSettings) -> MeteredStore:
    """Return the store; nothing is asked of it yet (`probe` does).

    `file://some/folder` is relative to the working folder, `file:///some/folder` is absolute (see `folder_of`);
    `s3://host:port` is S3 over HTTP, `s3s://host:port` over TLS.

    Raises:
        ConfigurationError: LAKE_URL is of another kind, or what it needs is not set.
    """
    folder = folder_of(settings.lake_url)
    if folder is not None:
        return MeteredStore(FolderStore(folder))
    scheme, _, rest = settings.lake_url.partition("://")
    if scheme in ("s3", "s3s") and rest:
        return MeteredStore(S3Store(settings))
    raise ConfigurationError(
        f"LAKE_URL: {settings.lake_url!r} is neither file:///folder, s3://host:port nor s3s://host:port. Set it so."
    )
