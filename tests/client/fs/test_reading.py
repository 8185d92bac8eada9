# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What there is, and what is in it."""

import errno
import io
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.callbacks import Callback

from oarepo_s3_client.errors import ClientError, IntegrityError, NotAuthorised, Refused, SourceError, UsageError
from oarepo_s3_client.fs import RecordFileSystem
from oarepo_s3_client.fs.os_errors import as_os_errors
from tests.client.fs.conftest import open_record
from tests.client.repository import TOKEN
from tests.client.scenarios.fake_rdm import FakeRDM, File

CONTENT = bytes(range(200))


@pytest.fixture
def stocked(fake: FakeRDM, faked: RecordFileSystem) -> RecordFileSystem:
    fake.files["k"] = File(len(CONTENT), content=CONTENT)
    fake.files["pending"] = File(3, {"type": "M", "parts": 1, "part_size": 3})
    return faked


@pytest.mark.parametrize("start", [None, 0, 5, -5, 199, 200, 300, -300])
@pytest.mark.parametrize("end", [None, 0, 5, -5, 199, 200, 300, -300])
def test_slices(stocked: RecordFileSystem, start: int | None, end: int | None) -> None:
    assert stocked.cat_file("k", start, end) == CONTENT[start:end]


@pytest.mark.parametrize("cache_type", ["none", "bytes", "readahead", "blockcache", "all", "mmap"])
def test_sought_and_read(stocked: RecordFileSystem, cache_type: str) -> None:
    with stocked.open("k", block_size=16, cache_type=cache_type) as file:
        assert (file.seekable(), file.size) == (True, 200)
        assert file.read(10) == CONTENT[:10]
        assert file.seek(-7, os.SEEK_END) == 193
        assert file.read(100) == CONTENT[193:]
        assert file.read() == b""
        assert file.seek(50) == 50
        assert file.read(20) == CONTENT[50:70]
        buffer = bytearray(5)
        assert file.readinto(buffer) == 5
        assert bytes(buffer) == CONTENT[70:75]


def test_only_what_is_needed_is_fetched(fake: FakeRDM, stocked: RecordFileSystem) -> None:
    with stocked.open("k", block_size=16, cache_type="none") as file:
        assert len(fake.tokens) == 0
        file.seek(100)
        assert file.read(3) == CONTENT[100:103]
    assert len(fake.tokens) == 1


def test_a_file_that_became_shorter(fake: FakeRDM, stocked: RecordFileSystem) -> None:
    with stocked.open("k", cache_type="none") as file:
        fake.files["k"] = File(3, content=b"123")
        with pytest.raises(OSError, match="has changed since"):
            file.read()


def test_text_and_lines(fake: FakeRDM, stocked: RecordFileSystem) -> None:
    fake.files["t"] = File(9, content="č\nb\n\nd\n\n".encode())
    with stocked.open("t", "r", encoding="utf-8") as file:
        assert list(file) == ["č\n", "b\n", "\n", "d\n", "\n"]
    assert stocked.read_text("t", encoding="utf-8") == "č\nb\n\nd\n\n"


def test_ranges(stocked: RecordFileSystem) -> None:
    found = stocked.cat_ranges(["k", "k", "nothing"], [0, -3, 0], [3, None, 3])
    assert found[:2] == [CONTENT[:3], CONTENT[-3:]]
    assert isinstance(found[2], FileNotFoundError)
    assert stocked.cat_ranges(["k", "k"], 1, 2) == [b"\x01", b"\x01"]
    with pytest.raises(FileNotFoundError):
        stocked.cat_ranges(["nothing"], 0, 3, on_error="raise")
    with pytest.raises(NotImplementedError):
        stocked.cat_ranges(["k"], 0, 3, max_gap=1)
    with pytest.raises(ValueError, match="argument"):
        stocked.cat_ranges(["k"], [0, 1], 3)


def test_what_there_is(stocked: RecordFileSystem) -> None:
    (info,) = stocked.ls("/")
    assert (info["name"], info["size"], info["type"]) == ("k", 200, "file")
    assert stocked.info("k") == info
    assert stocked.ls("k", detail=False) == ["k"]
    assert (stocked.isfile("k"), stocked.isdir("k"), stocked.isdir("")) == (True, False, True)
    assert not stocked.exists("pending")
    for call in (stocked.ls, stocked.info, stocked.cat_file, stocked.open, stocked.rm_file, stocked.rm, stocked.ukey):
        with pytest.raises(FileNotFoundError) as raised:
            call("pending")
        assert raised.value.filename == "pending"
    assert stocked.find("k") == ["k"]
    with pytest.raises(ValueError, match="maxdepth"):
        stocked.find("", maxdepth=0)
    assert stocked.size("k") == 200
    assert stocked.glob("[jk]") == ["k"]


def test_a_change_is_seen(fake: FakeRDM, stocked: RecordFileSystem) -> None:
    before = stocked.ukey("k"), stocked.checksum("k")
    assert before == (stocked.ukey("k"), stocked.checksum("k"))
    fake.files["k"] = File(200, content=CONTENT[::-1])
    assert stocked.ukey("k") != before[0]
    assert stocked.checksum("k") != before[1]
    for call in (stocked.created, stocked.modified):
        with pytest.raises(NotImplementedError, match="tells no times"):
            call("k")


def test_how_long_a_listing_is_good_for(fake: FakeRDM, stocked: RecordFileSystem) -> None:
    forgetful = open_record(fake.target, use_listings_cache=False)
    expired = open_record(fake.target, listings_expiry_time=-1.0)
    for fs in (stocked, forgetful, expired):
        assert fs.exists("k")
    del fake.files["k"]
    assert [fs.exists("k") for fs in (stocked, forgetful, expired)] == [True, False, False]
    assert stocked.find("", refresh=True) == []
    assert not stocked.exists("k")


def test_a_listing_from_before_a_write_is_not_kept(fake: FakeRDM, stocked: RecordFileSystem) -> None:
    real = stocked._access.files

    def slow() -> Any:
        found = real()
        stocked._access.files = real  # type: ignore[method-assign]
        stocked.pipe_file("new", b"")
        return found

    stocked._access.files = slow  # type: ignore[method-assign]
    assert stocked.find("") == ["k"]
    assert stocked.find("") == ["k", "new"]


# files here -----------------------------------------------------------------------------------------------------------


def test_get_into_files_folders_and_streams(stocked: RecordFileSystem, tmp_path: Path) -> None:
    stocked.get_file("k", tmp_path / "new" / "k")
    assert (tmp_path / "new" / "k").read_bytes() == CONTENT
    stocked.get_file("", tmp_path / "folder")
    assert (tmp_path / "folder").is_dir()
    with pytest.raises(IsADirectoryError):
        stocked.get_file("k", tmp_path / "folder")
    stream = io.BytesIO()
    poured = Noting()
    stocked.get_file("k", stream, callback=poured)
    stocked.get_file("k", None, outfile=stream)
    assert poured.noted[-1] == (200, 200)
    assert stream.getvalue() == CONTENT * 2
    with pytest.raises(FileNotFoundError):
        stocked.get_file("nothing", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_what_came_is_compared(fake: FakeRDM, stocked: RecordFileSystem, tmp_path: Path) -> None:
    said = fake.entry

    def lie(key: str) -> dict[str, Any]:
        return {**said(key), "checksum": "md5:" + "0" * 32}

    fake.entry = lie  # type: ignore[method-assign]
    with pytest.raises(OSError, match="checksum") as raised:
        stocked.get_file("k", tmp_path / "k")
    assert isinstance(raised.value.__cause__, IntegrityError)
    with pytest.raises(OSError, match="checksum"):
        stocked.cp_file("k", "l")
    assert list(tmp_path.glob("k*")) == []
    assert stocked._access.client.transfers() == []


def test_a_copy_that_broke_off_leaves_no_note(
    stocked: RecordFileSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*arguments: object) -> str:
        raise SourceError("not today")

    monkeypatch.setattr("oarepo_s3_client.stores.Stores.get", fail)
    with pytest.raises(OSError, match="not today"):
        stocked.get_file("k", tmp_path / "k")
    assert [one.key for one in stocked._access.client.transfers()] == ["k"]
    stocked._access.client.forget(str(tmp_path / "k"))
    with pytest.raises(OSError, match="not today"):
        stocked.cp_file("k", "l")
    assert stocked._access.client.transfers() == []


class Noting(Callback):  # type: ignore[misc]
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[int | None, int]] = []

    def call(self, hook_name: str | None = None, **kwargs: Any) -> None:
        self.noted.append((self.size, self.value))


def test_progress(fake: FakeRDM, stocked: RecordFileSystem, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    got, put, copied, empty = (Noting() for _ in range(4))
    stocked.get_file("k", tmp_path / "k", callback=got)
    stocked.put_file(tmp_path / "k", "l", callback=put)
    stocked.cp_file("l", "m", callback=copied)
    stocked.put_file(tmp_path / "empty", "n", callback=empty)
    for callback in (got, put, copied):
        assert callback.noted[-1] == (200, 200)
        assert all(value <= 200 for _, value in callback.noted)
    assert empty.noted[-1] == (0, 0)
    assert stocked._access._followers == {}


def test_put_of_what_is_no_file(stocked: RecordFileSystem, tmp_path: Path) -> None:
    stocked.put_file(tmp_path, "folder")
    assert not stocked.exists("folder")
    with pytest.raises(FileNotFoundError):
        stocked.put_file(tmp_path / "nothing", "l")


# errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "number"),
    [
        (NotAuthorised("No."), PermissionError, errno.EACCES),
        (Refused("No.", code="upload_exists"), FileExistsError, errno.EEXIST),
        (Refused("No.", code="quota_exceeded"), OSError, errno.ENOSPC),
        (UsageError("No."), OSError, errno.EINVAL),
        (ClientError("No."), OSError, errno.EIO),
    ],
)
def test_errors(error: ClientError, kind: type[OSError], number: int) -> None:
    with pytest.raises(kind, match=r"No") as raised, as_os_errors("a/b"):
        raise error
    assert (raised.value.errno, raised.value.filename, raised.value.__cause__) == (number, "a/b", error)


def test_what_cannot_be_told_is_no_no(fake: FakeRDM) -> None:
    stranger = open_record(fake.target, token="another")
    for call in (stranger.exists, stranger.isfile, stranger.isdir, stranger.find, stranger.glob):
        with pytest.raises(PermissionError, match="set OAREPO_S3_TOKEN"):
            call("*")


def test_options(fake: FakeRDM, tmp_path: Path) -> None:
    fs = open_record(fake.target, client_options={"parallel": 2, "state_dir": str(tmp_path / "notes")})
    assert (fs._access.parallel, fs._access.client.options.parallel) == (2, 2)
    assert fs._access.client.options.state_dir == tmp_path / "notes"
    for options in ({"token": "t"}, {"proxy": "http://p"}, {"parallel": 0}):
        with pytest.raises(ValueError, match=r"no secrets|more than 0"):
            open_record(fake.target, client_options=options)


# tokens and processes -------------------------------------------------------------------------------------------------


def test_the_token_stays_here(fake: FakeRDM, stocked: RecordFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    file = stocked.open("k")
    told = [repr(stocked), str(stocked.storage_options), stocked.to_json(), str(stocked._fs_token), str(stocked)]
    told += [repr(vars(stocked._access)["_made"]), str(pickle.dumps(stocked)), str(pickle.dumps(file)), repr(file)]
    assert not [text for text in told if TOKEN in text]
    assert stocked.storage_options["client_options"] == {"attempts": 1}
    for other in (pickle.loads(pickle.dumps(stocked)), RecordFileSystem.from_json(stocked.to_json())):
        assert (other.record, other.unstrip_protocol("k")) == (stocked.record, stocked.unstrip_protocol("k"))
        with pytest.raises(PermissionError):
            other.cat("k")
        monkeypatch.setenv("OAREPO_S3_TOKEN", f" {TOKEN}\n")
        assert other.cat("k") == CONTENT
        monkeypatch.delenv("OAREPO_S3_TOKEN")


def test_a_file_is_pickled(stocked: RecordFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAREPO_S3_TOKEN", TOKEN)
    with stocked.open("k") as file:
        file.seek(100)
        with pickle.loads(pickle.dumps(file)) as other:
            assert other.read(5) == CONTENT[100:105]


def test_tokens_are_not_mixed_up(fake: FakeRDM, stocked: RecordFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_record(fake.target, token="another") is not open_record(fake.target)
    monkeypatch.setenv("OAREPO_S3_TOKEN", TOKEN)
    environment = fsspec.filesystem("oarepo-s3", record=fake.target)
    assert environment.cat("k") == CONTENT
    client = environment._access.client
    assert environment._access.client is client
    monkeypatch.setenv("OAREPO_S3_TOKEN", "renewed")
    assert environment._access.client is not client
    with pytest.raises(PermissionError):
        open_record(fake.target, token="").cat("k")


def _read_in_child(fs: RecordFileSystem, end: Any) -> None:
    end.send(fs.cat("k"))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_makes_its_own_connections(stocked: RecordFileSystem) -> None:
    assert stocked.cat("k") == CONTENT
    processes = multiprocessing.get_context("fork")
    here, there = processes.Pipe()
    child = processes.Process(target=_read_in_child, args=(stocked, there))
    child.start()
    there.close()
    try:
        assert here.poll(60.0)
        assert here.recv() == CONTENT
    finally:
        child.join(60.0)
    assert child.exitcode == 0
    assert stocked.cat("k") == CONTENT


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_the_client_itself_needs_no_fsspec() -> None:
    done = run_python(
        "import sys; sys.modules['fsspec'] = None\n"
        "import oarepo_s3_client.client, oarepo_s3_client.async_client, oarepo_s3_client.cli\n"
        "try:\n    import oarepo_s3_client.fs\n"
        "except ImportError as error:\n    print(error)"
    )
    assert done.stdout == "The filesystem needs fsspec: pip install 'oarepo-s3-client[fsspec]'.\n", done.stderr


def test_another_error_of_importing_is_not_hidden() -> None:
    done = run_python(
        "import sys\n"
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'fsspec': raise ModuleNotFoundError('no tools', name='tools')\n"
        "sys.meta_path.insert(0, Broken())\n"
        "try:\n    import oarepo_s3_client.fs\n"
        "except ModuleNotFoundError as error:\n    print(error.name)"
    )
    assert done.stdout == "tools\n", done.stderr


def test_json_is_json(stocked: RecordFileSystem) -> None:
    assert json.loads(stocked.to_json())["record"] == stocked.record
