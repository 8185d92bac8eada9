# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A folder of many small files, a few of which cannot be read."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client import repository as repository_module
from tests.client.cli.program import Program
from tests.client.repository import Repository
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server

FILES = int(os.environ.get("OAREPO_S3_MANY_FILES", "10000"))

UNREADABLE = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of a few bytes, and five that nobody can read, not even root."""
    root = tmp_path / "many"
    for number in range(FILES - UNREADABLE):
        path = root / f"{number // 1000}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"file {number}".encode())
    os.mkfifo(root / "pipe")
    (root / "0" / "dangling").symlink_to("nowhere")
    (root / "0" / "circle").symlink_to("circle")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "socket"))
    (root / "device").symlink_to("/dev/null")
    return root


@pytest.fixture
def repository(postgres: PostgresServer, rclone: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A repository of its own. Its coverage is known from elsewhere, and measuring would take too long here."""
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)
    with repository_module.start(postgres, rclone, measured=False) as running:
        yield running


def test_the_readable_ones_are_there(program: Program, repository: Repository, folder: Path) -> None:
    target = repository.add_record()
    done = program.run("upload", "--json", "--recursive", "--parallel", 8, folder, target, code=3)
    assert sorted(line["key"] for line in done.of_type("failed")) == [
        "0/circle",
        "0/dangling",
        "device",
        "pipe",
        "socket",
    ]
    (summary,) = done.of_type("summary")
    assert (summary["files"], summary["failed"]) == (FILES - UNREADABLE, UNREADABLE)
    listed = {line["key"]: line for line in program.run("ls", "--json", target).of_type("file")}
    assert len(listed) == FILES - UNREADABLE
    assert {line["status"] for line in listed.values()} == {"completed"}
    assert sum(line["size"] for line in listed.values()) == summary["bytes"]
    for number in (0, FILES // 2, FILES - UNREADABLE - 1):
        key = f"{number // 1000}/{number}.txt"
        assert program.run("cat", target, key).content == f"file {number}".encode()
    again = program.run("upload", "--json", "--recursive", folder, target, code=3)
    assert {line["bytes_sent"] for line in again.of_type("finished")} == {0}
