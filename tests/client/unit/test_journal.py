# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from oarepo_s3_client.errors import NotFound, TransferBusy, UsageError
from oarepo_s3_client.journal import Entry, Journal, default_folder, transfer_id
from oarepo_s3_client.sources import Identity


def make_entry(path: str = "/data/file", key: str = "file") -> Entry:
    return Entry(
        transfer=transfer_id("upload", path, "https://host/records/1", key),
        kind="upload",
        path=path,
        target="https://host/records/1",
        key=key,
        size=25,
        part_size=10,
        upload="some id",
        identity=Identity(25, 123456789, 42),
        compared=True,
        etags={1: "a", 3: "c"},
    )


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    (tmp_path / "state").mkdir()
    return Journal(tmp_path / "state")


def test_what_is_saved_is_loaded(journal: Journal) -> None:
    entry = make_entry()
    journal.save(entry)
    assert journal.load(entry.transfer) == entry
    assert entry.done_bytes == 15
    entry.identity = None
    journal.save(entry)
    assert journal.load(entry.transfer) == entry
    journal.remove(entry.transfer)
    journal.remove(entry.transfer)
    assert journal.load(entry.transfer) is None


def test_nobody_else_may_read_it(journal: Journal) -> None:
    entry = make_entry()
    old = os.umask(0)
    try:
        journal.save(entry)
        with journal.locked(entry.transfer):
            modes = [stat.S_IMODE(path.stat().st_mode) for path in journal.folder.iterdir()]
    finally:
        os.umask(old)
    assert modes == [0o600, 0o600]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1}', '{"version": 99}'])
def test_what_is_damaged_is_like_missing(journal: Journal, content: str) -> None:
    (journal.folder / "abc.json").write_text(content)
    assert journal.load("abc") is None
    assert journal.entries() == []


def test_numbers_that_do_not_go_together(journal: Journal) -> None:
    entry = make_entry()
    entry.etags[99] = "x"
    journal.save(entry)
    assert journal.load(entry.transfer) is None


def test_one_at_a_time(journal: Journal) -> None:
    with journal.locked("abc"):
        with pytest.raises(TransferBusy, match=str(os.getpid())), journal.locked("abc"):
            pass
        with journal.locked("other"):
            pass
    with journal.locked("abc"):
        pass


def test_a_lock_ends_with_its_process(journal: Journal) -> None:
    entry = make_entry()
    journal.save(entry)
    program = (
        "import sys, time; from pathlib import Path; from oarepo_s3_client.journal import Journal\n"
        f"with Journal(Path(sys.argv[1])).locked({entry.transfer!r}): print('locked', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(journal.folder)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        assert [info.running_pid for info in journal.infos()] == [process.pid]
        with pytest.raises(TransferBusy, match=str(process.pid)), journal.locked(entry.transfer):
            pass
    finally:
        process.kill()
        process.wait()
    assert [info.running_pid for info in journal.infos()] == [None]
    with journal.locked(entry.transfer):
        assert journal.infos()[0].running_pid == os.getpid()


def test_transfers_are_found_by_id_or_path(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(journal.folder)
    entry = make_entry(str(journal.folder / "file"))
    other = make_entry(str(journal.folder / "file"), "other key")
    with pytest.raises(NotFound):
        journal.find(entry.transfer)
    journal.save(entry)
    assert journal.find("file") == journal.find(entry.transfer) == entry
    journal.save(other)
    with pytest.raises(UsageError, match=f"{other.transfer}"):
        journal.find("file")
    (info, _) = journal.infos()
    assert (info.transfer, info.kind, info.done_bytes, info.running_pid) == (other.transfer, "upload", 15, None)


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {"OAREPO_S3_STATE_DIR": "/x", "XDG_STATE_HOME": "/y"}, "/x"),
        ("linux", {"XDG_STATE_HOME": "/y"}, "/y/oarepo-s3"),
        ("linux", {}, "/home/me/.local/state/oarepo-s3"),
        ("darwin", {}, "/home/me/Library/Application Support/oarepo-s3"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/oarepo-s3"),
        ("win32", {}, "/home/me/AppData/Local/oarepo-s3"),
    ],
)
def test_where_the_state_is_kept(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], folder: str
) -> None:
    for name in ("OAREPO_S3_STATE_DIR", "XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(sys, "platform", platform)
    assert default_folder() == Path(folder)


def test_who_only_looks_is_waited_for(journal: Journal) -> None:
    """Listing takes the lock for a moment."""
    path = journal.folder / "abc.lock"
    path.touch()
    descriptor = os.open(path, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    threading.Timer(0.05, os.close, [descriptor]).start()
    with journal.locked("abc"):
        assert path.read_text() == str(os.getpid())
