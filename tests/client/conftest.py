# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Repositories for the client: started when a test first asks for one, stopped at the end of the session."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server

from . import repository as repository_module
from .repository import Repository


@pytest.fixture(scope="session")
def ceph_repository(postgres: PostgresServer, ceph: S3Server) -> Iterator[Repository]:
    """A repository before Ceph."""
    with repository_module.start(postgres, ceph) as running:
        yield running


@pytest.fixture(scope="session")
def rclone_repository(postgres: PostgresServer, rclone: S3Server) -> Iterator[Repository]:
    """A repository before the embedded store, as in the demo."""
    with repository_module.start(postgres, rclone) as running:
        yield running


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    """Make a file of so many bytes; no two parts of it are alike, and another seed makes another file."""

    def make(size: int, name: str = "data.bin", seed: str = "") -> Path:
        path = tmp_path / name
        with path.open("wb") as file:
            block = (bytes(range(256)) * 256 + seed.encode()) * 4
            for number in range(size // len(block) + 1):
                line = number.to_bytes(8) + block
                file.write(line[: max(0, size - file.tell())])
        assert path.stat().st_size == size
        return path

    return make
