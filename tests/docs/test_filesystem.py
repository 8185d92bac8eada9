# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The page about the filesystem does what it says, from its beginning to its end."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oarepo_s3_client.fs import RecordFileSystem
from tests.client import repository as repository_module
from tests.client.repository import TOKEN, Repository
from tests.docs.pages import DOCS, blocks
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server


@pytest.fixture(scope="module")
def repository(postgres: PostgresServer, rclone: S3Server) -> Iterator[Repository]:
    with repository_module.start(postgres, rclone) as running:
        yield running


@pytest.fixture
def names(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the examples take for granted: a record, a token, some files here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OAREPO_S3_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.csv").write_text("x,y\n")
    yield {"record": repository.add_record(), "token": TOKEN}
    RecordFileSystem.clear_instance_cache()


def test_the_examples(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "half.txt was closed because of an error", RuntimeWarning)
        for block in blocks(DOCS / "client" / "filesystem.md", "python"):
            exec(compile(block.text, str(block), "exec"), names)
            shown.append(capsys.readouterr().out.splitlines())
    assert shown == [["['run-7/table.csv'] 8", "b'1,2'"], ["[{'x': '1', 'y': '2'}]"], ["True False"]]
    assert Path("copy/a.csv").read_text() == "x,y\n"
    assert names["fs"].find("") == ["a.txt", "b.txt", "log.txt", "run-7/points.csv", "run-7/table.csv"]
