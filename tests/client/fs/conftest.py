# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Filesystems over a fake repository and over real ones."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from oarepo_s3_client.fs import RecordFileSystem
from tests.client.repository import TOKEN, Repository
from tests.client.scenarios.fake_rdm import FakeRDM, fake_rdm


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No token, no notes and no filesystems of others."""
    monkeypatch.delenv("OAREPO_S3_TOKEN", raising=False)
    monkeypatch.setenv("OAREPO_S3_STATE_DIR", str(tmp_path / "state"))
    yield
    RecordFileSystem.clear_instance_cache()


def open_record(record: str, **options: Any) -> RecordFileSystem:
    """The filesystem, as fsspec finds it by name."""
    return fsspec.filesystem("oarepo-s3", record=record, **{"token": TOKEN, **options})  # type: ignore[no-any-return]


@pytest.fixture
def fake() -> Iterator[FakeRDM]:
    """InvenioRDM with oarepo-s3 behind it, as one server here."""
    with fake_rdm(ours=True) as running:
        yield running


@pytest.fixture
def faked(fake: FakeRDM) -> RecordFileSystem:
    """The filesystem over the fake."""
    return open_record(fake.target, client_options={"attempts": 1})


@pytest.fixture(params=["rclone", "ceph"])
def repository(request: pytest.FixtureRequest) -> Repository:
    """A repository before either store."""
    found: Repository = request.getfixturevalue(f"{request.param}_repository")
    return found


@pytest.fixture
def record(repository: Repository) -> str:
    """A new record."""
    return repository.add_record()


@pytest.fixture
def fs(record: str) -> RecordFileSystem:
    """The filesystem of a new record."""
    return open_record(record)


@pytest.fixture
def reader(record: str) -> Callable[..., RecordFileSystem]:
    """Make another filesystem of the same record, which remembers nothing of the first."""
    return lambda **options: open_record(record, skip_instance_cache=True, **options)
