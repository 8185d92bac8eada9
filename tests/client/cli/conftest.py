# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The command line in this process, over a client that is not real, and its schema."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oarepo_s3_client.client
from oarepo_s3_client.cli.main import run
from tests.client.cli.fake import World
from tests.client.cli.program import Program
from tests.client.cli.schema import validated
from tests.client.repository import TOKEN

TARGET = "https://repo.example.org/api/records/abcd-1234/draft"


@pytest.fixture
def target() -> str:
    """Address of a record on no server."""
    return TARGET


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folders, empty; nothing of the real user is seen."""
    for name in ("OAREPO_S3_TOKEN", "OAREPO_S3_SERVER", "OAREPO_S3_CONFIG", "OAREPO_S3_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("OAREPO_S3_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def world(home: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """What the fake client finds."""
    made = World()
    monkeypatch.setattr(oarepo_s3_client.client, "Client", made.client)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files, one in a subfolder."""
    root = tmp_path / "results"
    (root / "sub").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "sub/c.txt"):
        (root / name).write_bytes(name.encode())
    return root


class Ended:
    """What a command line has printed, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of ``--json``, each valid by the schema."""
        return [validated(json.loads(line)) for line in self.out.splitlines()]

    def of_type(self, name: str) -> list[dict[str, Any]]:
        """Those of a type."""
        return [line for line in self.lines if line["type"] == name]


@pytest.fixture
def oarepo(world: World, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs a command line."""

    def call(*argv: Any) -> Ended:
        capfd.readouterr()
        code = run([str(argument) for argument in argv])
        printed = capfd.readouterr()
        return Ended(code, printed.out, printed.err)

    return call


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program for a user who has set the token."""
    return Program(tmp_path, {"OAREPO_S3_TOKEN": TOKEN})
