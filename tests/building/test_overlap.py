"""Builders that overlap and are killed, and a reader: nothing published is lost, and nothing changes
under the reader.

Here a few trials of `overlap`; docs/reliability.md says how to run more.
"""

from pathlib import Path

import boto3
import pytest

from tests.building.overlap import main
from tests.servers import s3_server

TRIALS = 4


def test_on_a_local_disk(tmp_path: Path) -> None:
    main(str(tmp_path), TRIALS, seed=0)


def test_on_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as url:
        names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
        for name, value in zip(names, (url, "somebody", "secret", "us-east-1"), strict=True):
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="overlap")
        main("s3://overlap", TRIALS, seed=100)
