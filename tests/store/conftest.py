"""A moto S3 server over real HTTP, configured as users do: by boto's environment variables."""

from collections.abc import Iterator

import boto3
import pytest
import s3fs

from tests.servers import s3_server


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def s3_environment(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Endpoint and credentials in the environment; no file system that was made with others."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_url,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield monkeypatch
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(s3_url: str, s3_environment: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An empty bucket for one test."""
    name = request.node.originalname.replace("_", "-")[:50].strip("-") + f"-{abs(hash(request.node.nodeid)) % 10_000}"
    boto3.client("s3", endpoint_url=s3_url).create_bucket(Bucket=name)
    return name
