# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""``ls``, ``rm``, ``verify``, ``status``, ``abort``, as far as the command line decides."""

from collections.abc import Callable
from pathlib import Path

import pytest

from oarepo_s3_client.api import FileInfo, TransferInfo, UploadStatus, Verification
from oarepo_s3_client.errors import NotFound, Refused
from tests.client.cli.conftest import Ended
from tests.client.cli.fake import World

Run = Callable[..., Ended]


def test_ls(oarepo: Run, world: World, target: str) -> None:
    world.files = [
        FileInfo("b\n.bin", 3 * 2**30, "multipart:0-3-4", "completed", "application/x"),
        FileInfo("a", None, None, "pending"),
    ]
    ended = oarepo("ls", target)
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "   SIZE  STATUS     KEY      CHECKSUM",
        "         pending    a",
        "3.0 GiB  completed  b\\n.bin  multipart:0-3-4",
    ]
    assert [(line["key"], line.get("size")) for line in oarepo("ls", "--json", target).lines] == [
        ("a", None),
        ("b\n.bin", 3 * 2**30),
    ]
    assert len(oarepo("ls", "--quiet", target).out.splitlines()) == 2


def test_ls_of_nothing(oarepo: Run, world: World, target: str) -> None:
    ended = oarepo("ls", target)
    assert (ended.code, ended.out) == (0, "The record has no files.\n")


def test_rm(oarepo: Run, world: World, target: str) -> None:
    ended = oarepo("rm", target, "a", "b")
    assert (ended.code, ended.out) == (0, "deleted a\ndeleted b\n")
    assert world.asked("delete") == [(target, "a"), (target, "b")]


def test_rm_of_what_is_not_there(oarepo: Run, world: World, target: str) -> None:
    world.failures["a"] = NotFound("There is no such file.", hint="")
    ended = oarepo("rm", "--json", target, "a", "b")
    assert (ended.code, [line["type"] for line in ended.lines]) == (3, ["failed", "deleted"])
    ended = oarepo("rm", target, "a")
    assert (ended.code, ended.err) == (1, "oarepo-s3: There is no such file.\n")


def test_rm_dry_run(oarepo: Run, world: World, target: str) -> None:
    ended = oarepo("rm", "--dry-run", "--json", target, "a")
    assert (ended.code, world.asked("delete")) == (0, [])
    assert [line["action"] for line in ended.of_type("planned")] == ["delete"]


def test_verify(oarepo: Run, world: World, home: Path, target: str) -> None:
    path = home / "a.bin"
    path.touch()
    world.verification = Verification(True, "md5", "md5:1", "md5:1")
    ended = oarepo("verify", path, target)
    assert (ended.code, ended.out) == (0, "a.bin: the same\n")
    world.verification = Verification(False, "md5", "md5:1", "md5:2")
    ended = oarepo("verify", path, target, "--key", "b.bin")
    assert (ended.code, ended.out) == (6, "b.bin: different: md5:1 here, md5:2 there\n")
    (line,) = oarepo("verify", "--json", path, target).of_type("verification")
    assert line["matches"] is False
    world.verification = Verification(False, None, None, None)
    ended = oarepo("verify", path, target)
    assert (ended.code, "no checksum of a.bin" in ended.err) == (1, True)


def test_status(oarepo: Run, world: World, target: str) -> None:
    missing = [(3, 3), *((number, number + 1) for number in range(5, 40, 3))]
    world.upload = UploadStatus("open", 2**30, 2**24, 64, [1, 2], missing, "2026-11-20T12:00:00+00:00")
    ended = oarepo("status", target, "a.bin")
    assert ended.out.splitlines() == [
        "a.bin",
        "  state    open",
        "  plan     1.0 GiB in 64 parts of 16.0 MiB",
        "  arrived  2 parts, 3 %",
        "  missing  3, 5-6, 8-9, 11-12, 14-15, 17-18, 20-21, 23-24, 26-27, 29-30 and 3 more ranges",
        "  expires  2026-11-20T12:00:00+00:00",
    ]
    (line,) = oarepo("status", "--json", target, "a.bin").of_type("status")
    assert (line["arrived"], line["missing"][:2]) == (2, [[3, 3], [5, 6]])


def test_status_of_a_server_that_does_not_say(oarepo: Run, world: World, target: str) -> None:
    world.upload = UploadStatus("open", 10, 10, 1, [], [], None, known=False)
    assert "arrived  unknown" in oarepo("status", target, "a.bin").out
    (line,) = oarepo("status", "--json", target, "a.bin").of_type("status")
    assert not {"arrived", "missing", "expires_at"} & set(line)


@pytest.fixture
def journal(world: World, target: str) -> list[TransferInfo]:
    """An upload and a download, both stopped."""
    world.journal = [
        TransferInfo("up1", "upload", "/d/a.bin", target, "a.bin", 5, 2, 0.0, None),
        TransferInfo("down1", "download", "/d/b.bin", target, "b.bin", 5, 2, 0.0, None),
    ]
    return world.journal


@pytest.mark.parametrize("arguments", [["up1"], ["{target}", "a.bin"], ["{target}/", "a.bin"]])
def test_abort_of_an_upload(
    oarepo: Run, world: World, journal: list[TransferInfo], target: str, arguments: list[str]
) -> None:
    ended = oarepo("abort", *(one.format(target=target) for one in arguments))
    assert (ended.code, ended.out) == (0, "aborted a.bin\n")
    assert (world.asked("abort"), world.asked("forget")) == ([(target, "a.bin")], [("up1",)])


def test_abort_of_a_download_asks_no_server(oarepo: Run, world: World, journal: list[TransferInfo]) -> None:
    assert oarepo("abort", "down1").code == 0
    assert (world.asked("abort"), world.asked("forget")) == ([], [("down1",)])


def test_abort_of_an_upload_that_the_server_has_forgotten(
    oarepo: Run, world: World, journal: list[TransferInfo], target: str
) -> None:
    world.failures["a.bin"] = NotFound("There is no such upload.")
    assert oarepo("abort", "up1").code == 0
    assert world.asked("forget") == [("up1",)]
    world.journal = []
    assert oarepo("abort", target, "a.bin").code == 1


def test_abort_that_is_refused_keeps_the_journal(oarepo: Run, world: World, journal: list[TransferInfo]) -> None:
    world.failures["a.bin"] = Refused("It is being completed.")
    assert oarepo("abort", "up1").code == 1
    assert world.asked("forget") == []


def test_abort_of_what_runs_is_refused(oarepo: Run, world: World, target: str) -> None:
    world.journal = [TransferInfo("up1", "upload", "/d/a.bin", target, "a.bin", 5, 2, 0.0, 4242)]
    ended = oarepo("abort", "up1")
    assert (ended.code, world.asked("abort")) == (2, [])
    assert "Process 4242 works on it. Stop it with `oarepo-s3 pause`, then abort." in ended.err
