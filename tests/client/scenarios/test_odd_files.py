# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Files about which a repository says less than usual, or something else."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oarepo_s3_client.errors import FileChanged, IntegrityError, Refused, ServerTrouble, SourceError, UsageError

from .conftest import User
from .fake_rdm import FakeRDM, fake_rdm

MakeFile = Callable[..., Path]
SIZE = 40 * 2**20


@pytest.fixture
def rdm() -> Iterator[FakeRDM]:
    with fake_rdm(ours=True) as fake:
        yield fake


@pytest.fixture
def entry(rdm: FakeRDM, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What replaces fields of each entry."""
    fields: dict[str, Any] = {}
    original = rdm.entry
    monkeypatch.setattr(rdm, "entry", lambda key: original(key) | fields)
    return fields


def test_without_a_checksum_it_is_said(
    user: User, rdm: FakeRDM, entry: dict[str, Any], make_file: MakeFile, tmp_path: Path
) -> None:
    path = make_file(1000)
    user("upload", path, rdm.target)
    entry["checksum"] = None
    assert user("download", rdm.target, "data.bin", tmp_path / "back").checksum is None
    assert [event.code for event in user.told("notice")] == ["unverified"]
    found = user("verify", rdm.target, "data.bin", path)
    assert (found.matches, found.algorithm, found.local, found.remote) == (False, None, None, None)
    assert user("upload", path.rename(path.with_name("other")), rdm.target, "other").bytes_sent == 1000


def test_without_a_size_there_is_no_download(
    user: User, rdm: FakeRDM, entry: dict[str, Any], make_file: MakeFile, tmp_path: Path
) -> None:
    user("upload", make_file(1000), rdm.target)
    entry["size"] = None
    with pytest.raises(UsageError):
        user("download", rdm.target, "data.bin", tmp_path / "back")


def test_a_checksum_of_the_whole_is_compared(
    user: User, rdm: FakeRDM, entry: dict[str, Any], make_file: MakeFile, tmp_path: Path
) -> None:
    user("upload", make_file(1000), rdm.target)
    entry["checksum"] = "md5:" + "0" * 32
    with pytest.raises(IntegrityError):
        user("download", rdm.target, "data.bin", tmp_path / "back")


def test_a_composite_that_was_not_sent(user: User, rdm: FakeRDM, entry: dict[str, Any], make_file: MakeFile) -> None:
    entry["checksum"] = f"multipart:{'0' * 32}-1-1000"
    with pytest.raises(IntegrityError) as caught:
        user("upload", make_file(1000), rdm.target)
    assert caught.value.exit_code == 6
    user.options["part_md5"] = False
    assert user("upload", make_file(1000), rdm.target, "other").bytes_sent == 1000


def test_the_file_at_the_store_changes_meanwhile(user: User, rdm: FakeRDM, make_file: MakeFile, tmp_path: Path) -> None:
    user("upload", make_file(SIZE), rdm.target)
    rdm.serials = True
    with pytest.raises(FileChanged, match="repository's file"):
        user("download", rdm.target, "data.bin", tmp_path / "back")


def test_a_repository_that_sends_the_bytes_itself(
    user: User, rdm: FakeRDM, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    user("upload", make_file(1000), rdm.target)
    monkeypatch.setattr(rdm, "do_content", lambda *_: (200, {}))
    with pytest.raises(Refused) as caught:
        user("read", rdm.target, "data.bin")
    assert caught.value.code == "no_direct_download"


def test_where_ranges_cannot_be_written_at_once(
    user: User, rdm: FakeRDM, make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file(SIZE)
    user("upload", path, rdm.target)
    monkeypatch.delattr(os, "pwrite", raising=False)
    user("download", rdm.target, "data.bin", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


def test_a_destination_that_is_full(
    user: User, rdm: FakeRDM, make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user("upload", make_file(1000), rdm.target)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(SourceError, match="No space left"):
        user("download", rdm.target, "data.bin", tmp_path / "back")


def test_parts_that_are_missed_again_and_again(
    user: User, rdm: FakeRDM, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"code": "parts_mismatch", "message": "no", "missing": [[1, 1]], "wrong": [{"part": None}, {"part": 1}]}
    monkeypatch.setattr(rdm, "do_commit", lambda *_: (409, answer))
    with pytest.raises(IntegrityError, match="again and again"):
        user("upload", make_file(1000), rdm.target)


def test_a_doctor_who_cannot_come(user: User) -> None:
    user.options["attempts"] = 1
    found = user("doctor", "http://127.0.0.1:9/records/1")
    assert [(check.name, check.ok) for check in found] == [("encryption", True), ("repository", False)]


def test_a_repository_that_cannot_be_reached(user: User, make_file: MakeFile) -> None:
    user.options["attempts"] = 2
    with pytest.raises(ServerTrouble, match="cannot be reached"):
        user("upload", make_file(10), "http://127.0.0.1:9/records/1")
    assert len(user.told("retry")) == 1
