"""Explain why a file system cannot be used: a package, credentials, a right or a bucket is missing."""

import fsspec
from fsspec.registry import known_implementations
from fsspec.utils import get_protocol

from streamaug.errors import StoreError
from streamaug.hints import guessed
from streamaug.packages import PIP_LINES
from streamaug.retry import is_lack_of_credentials, status_of

_S3_CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a bucket that needs no credentials, set FSSPEC_S3_ANON=true"
)
_GOOGLE_CREDENTIALS = "set GOOGLE_APPLICATION_CREDENTIALS, or run 'gcloud auth application-default login'"
_AZURE_CREDENTIALS = "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_CONNECTION_STRING"

_CREDENTIALS = {
    "s3": _S3_CREDENTIALS,
    "s3a": _S3_CREDENTIALS,
    "gs": _GOOGLE_CREDENTIALS,
    "gcs": _GOOGLE_CREDENTIALS,
    "abfs": _AZURE_CREDENTIALS,
    "abfss": _AZURE_CREDENTIALS,
    "az": _AZURE_CREDENTIALS,
}
"""How to give credentials, by protocol."""

_USUAL = "Use a path, or a URL that begins with s3://, gs://, abfs:// or https://"

_NO_BUCKET = ("bucket does not exist", "container does not exist")
"""Texts of the errors of S3, Google and Azure for a bucket that does not exist, in lower case."""


def opening_error(url: str, error: Exception) -> StoreError:
    """The error to raise if the file system of a URL could not be opened.

    Args:
        url: The URL.
        error: What fsspec raised.
    """
    if isinstance(error, ImportError):
        cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        package = (cause.name or "").partition(".")[0]
        if not package:
            return StoreError(f"{url}: {error}")
        return StoreError(
            f"{url}: '{_remote_protocol(url)}://' needs the package '{package}', which is not installed; "
            f"run: {PIP_LINES.get(package, f'pip install {package}')}"
        )
    unknown = [part for part in map(get_protocol, url.split("::")) if part not in _protocols()]
    if unknown:
        return StoreError(f"{url}: unknown protocol '{unknown[0]}'. {guessed(unknown[0], _protocols()) or _USUAL}")
    remedy = _CREDENTIALS.get(_remote_protocol(url), "check the URL and storage_options")
    return StoreError(f"{url}: {' '.join(str(error).split())}; {remedy}")


def access_remedy(url: str, error: BaseException) -> str:
    """What to do about an error of a file system; empty if there is no better advice than the error
    itself.

    Args:
        url: URL of the store.
        error: What the file system raised.
    """
    protocol = _remote_protocol(url)
    if is_lack_of_credentials(error):
        return _CREDENTIALS.get(protocol, "check the credentials")
    if not isinstance(error, PermissionError) and status_of(error) not in (401, 403):
        return ""
    rights = " (reading needs s3:GetObject, building and verifying also s3:ListBucket)" if protocol in ("s3", "s3a") else ""
    return f"check that the file exists, the credentials and the access rights{rights}"


def is_missing_bucket(error: BaseException) -> bool:
    """Whether a file does not exist because its bucket does not, as the error or its cause says."""
    texts = f"{error} {error.__cause__ or ''}".lower()
    return any(text in texts for text in _NO_BUCKET)


def _remote_protocol(url: str) -> str:
    """The protocol that reaches the server: the last one of a chain such as
    `simplecache::s3://bucket`."""
    return str(get_protocol(url.rpartition("::")[2]))


def _protocols() -> list[str]:
    return sorted({*fsspec.available_protocols(), *known_implementations})
