# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""``list`` and ``pause``, as far as the command line decides."""

import os
import time
from collections.abc import Callable

import pytest

from oarepo_s3_client.api import TransferInfo
from oarepo_s3_client.cli import transfers
from tests.client.cli.conftest import Ended
from tests.client.cli.fake import World

Run = Callable[..., Ended]


def info(name: str, done: int = 2, pid: int | None = None, ago: float = 100.0) -> TransferInfo:
    """A transfer in the journal."""
    return TransferInfo(name, "upload", f"/d/{name}.bin", "https://r/1", f"{name}.bin", 4, done, time.time() - ago, pid)


def test_list(oarepo: Run, world: World) -> None:
    world.journal = [info("old", ago=7200.5), info("new", 4, pid=42)]
    ended = oarepo("list")
    assert [line.split() for line in ended.out.splitlines()] == [
        ["TRANSFER", "KIND", "DONE", "SIZE", "STATE", "FILE", "RECORD"],
        ["new", "upload", "100", "%", "4", "B", "running", "/d/new.bin", "https://r/1"],
        ["old", "upload", "50", "%", "4", "B", "stopped", "2:00", "h", "ago", "/d/old.bin", "https://r/1"],
    ]
    lines = oarepo("list", "--json").of_type("transfer")
    assert [(line["transfer"], line.get("running_pid")) for line in lines] == [("new", 42), ("old", None)]


def test_list_of_nothing(oarepo: Run, world: World) -> None:
    assert oarepo("list").out == "No transfer is unfinished.\n"
    assert [line["code"] for line in oarepo("list", "--json").lines] == ["nothing_unfinished"]


@pytest.fixture
def killed(world: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Processes that were asked to stop; they stop the next time that anybody looks."""
    asked: list[int] = []
    world.journal = [info("a", pid=41), info("b", pid=42), info("c", pid=41), info("d")]

    def kill(pid: int, number: int) -> None:
        asked.append(pid)
        world.journal = [info(one.transfer) if one.running_pid == pid else one for one in world.journal]

    monkeypatch.setattr(os, "kill", kill)
    return asked


def test_pause_of_all(oarepo: Run, killed: list[int]) -> None:
    ended = oarepo("pause")
    assert (ended.code, killed) == (0, [41, 42])
    assert ended.out.splitlines()[0] == "paused /d/a.bin; go on with `oarepo-s3 resume a`"
    assert len(ended.out.splitlines()) == 3


def test_pause_of_one(oarepo: Run, killed: list[int]) -> None:
    ended = oarepo("pause", "--json", "b")
    assert (ended.code, killed) == (0, [42])
    assert [line["transfer"] for line in ended.of_type("paused")] == ["b"]


def test_pause_of_what_does_not_run(oarepo: Run, killed: list[int]) -> None:
    ended = oarepo("pause", "d")
    assert (ended.code, killed) == (1, [])
    assert "No such transfer is running." in ended.err


def test_process_that_has_ended_since(oarepo: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.journal = [info("a", pid=41)]

    def kill(pid: int, number: int) -> None:
        world.journal = []
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", kill)
    assert oarepo("pause").code == 0


def test_process_of_another_user(oarepo: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.journal = [info("a", pid=41)]

    def kill(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    ended = oarepo("pause")
    assert (ended.code, ended.err) == (1, "oarepo-s3: Process 41 belongs to another user.\n")


def test_process_that_does_not_stop(oarepo: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.journal = [info("a", pid=41)]
    monkeypatch.setattr(os, "kill", lambda pid, number: None)
    monkeypatch.setattr(transfers, "WAIT_SECONDS", 0.2)
    ended = oarepo("pause")
    assert (ended.code, "It still runs" in ended.err) == (1, True)


def test_pause_on_windows(oarepo: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("oarepo_s3_client.cli.transfers.os.name", "nt")
        assert oarepo("pause").code == 2
