"""What an error of the S3 client means: try again, wait, write again from the start, or call a person."""

from typing import Final

from minio.error import InvalidResponseError, MinioException, S3Error
from urllib3.exceptions import HTTPError, LocationParseError, SSLError

from shared.errors import ConfigurationError, TransientError
from shared.ports import PreconditionFailedError
from shared.storage.s3_http import ServerUnwellError

_PASSING: Final = {
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "XAmzContentSHA256Mismatch",
}
_KEYS: Final = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "InvalidToken"}
_FULL: Final = ("XMinioStorageFull", "StorageFull", "QuotaExceeded")
_NOT_THERE: Final = {"NoSuchKey", "PreconditionFailed"}


class TryAgainError(TransientError):
    """The same request may succeed in a moment."""


Errors = (MinioException, HTTPError, ServerUnwellError, OSError)
"""What the client raises."""


def meaning_of(error: Exception, action: str, url: str) -> Exception:
    """Return the error of ours that `error` means.

    Args:
        error: One of Errors.
        action: What was tried, for people: `write stock-data/A/...`.
        url: LAKE_URL.
    """
    where = f"cannot {action} at {url}"
    match error:
        case S3Error():
            return _meaning_of_code(error, where)
        case ServerUnwellError() if error.status == 507 or any(code in error.body for code in _FULL):
            return TransientError(f"{where}: the store is full; free space there and it goes on.")
        case SSLError():
            return ConfigurationError(f"{where}: {error}. Check LAKE_URL and the store's certificate.")
        case LocationParseError():
            return ConfigurationError(f"{where}: {error}. LAKE_URL has to be s3://host:port.")
        case InvalidResponseError():
            return ConfigurationError(f"{where}: the answer is not S3's. Is LAKE_URL the S3 port, not the console's?")
        case _:
            return TryAgainError(f"{where}: {error or type(error).__name__}. Is the store up and LAKE_URL right?")


def _meaning_of_code(error: S3Error, where: str) -> Exception:
    code = error.code or ""
    if code in _NOT_THERE:
        return PreconditionFailedError(f"{where}: it was written by somebody else")
    if code in _PASSING:
        return TryAgainError(f"{where}: {code}, {error.message}. See the store's log.")
    if code in _FULL:
        return TransientError(f"{where}: the store is full ({code}); free space there and it goes on.")
    if code in _KEYS:
        return ConfigurationError(f"{where}: {code}. Check LAKE_ACCESS_KEY, LAKE_SECRET_KEY and LAKE_REGION.")
    if code == "AccessDenied":
        return ConfigurationError(f"{where}: the user of LAKE_ACCESS_KEY has no right to. Give it read and write.")
    if code == "NoSuchBucket":
        return ConfigurationError(f"{where}: there is no such bucket (LAKE_URL); run `python -m infra.provision`.")
    if code == "RequestTimeTooSkewed":
        return ConfigurationError(f"{where}: the clocks of store and this machine differ; set them right.")
    return ConfigurationError(f"{where}: {code}, {error.message}. Check LAKE_URL and the rights of LAKE_ACCESS_KEY.")
