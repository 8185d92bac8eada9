# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What is written arrives as a whole or not at all."""

import errno
import gzip
import tempfile
from pathlib import Path
from typing import Any

import fsspec
import pytest

from oarepo_s3_client.errors import ServerTrouble
from oarepo_s3_client.fs import RecordFileSystem
from oarepo_s3_client.fs.files import RecordFile
from tests.client.repository import MIB, TOKEN
from tests.client.scenarios.fake_rdm import FakeRDM


class Broken(Exception):
    """What a writer dies of."""


def test_written_when_closed(fake: FakeRDM, faked: RecordFileSystem) -> None:
    with faked.open("k", "wb", block_size=4) as file:
        file.write(b"abc")
        file.write(b"defgh")
        assert fake.files == {}
    assert fake.files["k"].content == b"abcdefgh"
    assert faked.ls("", detail=False) == ["k"]


def test_a_listing_is_asked_for_again_after_a_write(fake: FakeRDM, faked: RecordFileSystem) -> None:
    assert not faked.exists("k")
    asked = len(fake.requests)
    assert not faked.exists("k")
    assert len(fake.requests) == asked
    faked.pipe_file("k", b"1")
    assert faked.exists("k")


def fail_while_writing(opened: Any, content: bytes | str = b"half") -> None:
    with opened as file:
        file.write(content)
        raise Broken


def open_binary(fs: RecordFileSystem, url: str) -> Any:
    return fs.open("k", "wb")


def open_text(fs: RecordFileSystem, url: str) -> Any:
    return fs.open("k", "w")


def open_compressed(fs: RecordFileSystem, url: str) -> Any:
    return fs.open("k", "wb", compression="gzip")


def open_by_url(fs: RecordFileSystem, url: str) -> Any:
    return fsspec.open(url, "wb", token=TOKEN)


@pytest.mark.parametrize("opened", [open_binary, open_text, open_compressed, open_by_url])
@pytest.mark.filterwarnings("ignore:.*closed because of an error:RuntimeWarning")
def test_nothing_is_left_of_a_failed_with(fake: FakeRDM, faked: RecordFileSystem, opened: Any) -> None:
    with pytest.raises(Broken):
        fail_while_writing(opened(faked, faked.unstrip_protocol("k")), "half" if opened is open_text else b"half")
    assert fake.files == {}
    assert not [request for request in fake.requests if request.startswith("POST")]


@pytest.mark.parametrize("opened", [open_binary, open_text, open_compressed, open_by_url])
def test_an_error_from_before_does_not_matter(fake: FakeRDM, faked: RecordFileSystem, opened: Any) -> None:
    try:
        raise Broken
    except Broken:
        with opened(faked, faked.unstrip_protocol("k")) as file:
            file.write("all" if opened is open_text else b"all")
    content = fake.files["k"].content or b""
    assert (gzip.decompress(content) if opened is open_compressed else content) == b"all"


def test_a_doubtful_close_warns(fake: FakeRDM, faked: RecordFileSystem) -> None:
    file = faked.open("k", "wb")
    try:
        raise Broken
    except Broken:
        with pytest.warns(RuntimeWarning, match="k was closed because of an error, and not written"):
            file.close()
    assert fake.files == {}


def test_a_commit_is_meant(fake: FakeRDM, faked: RecordFileSystem) -> None:
    file = faked.open("k", "wb")
    file.write(b"meant")
    try:
        raise Broken
    except Broken:
        file.commit()
        file.close()
    assert fake.files["k"].content == b"meant"


def test_what_was_never_closed_is_not_written(fake: FakeRDM, faked: RecordFileSystem) -> None:
    files = [faked.open("k", "wb")]
    files[0].write(b"half")
    with pytest.warns(ResourceWarning, match="k was never closed, and not written"):
        files.clear()
    assert fake.files == {}


def test_a_full_disk(fake: FakeRDM, faked: RecordFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, block: object) -> int:
            raise OSError(errno.ENOSPC, "full")

        def close(self) -> None:
            """Nothing to close."""

    monkeypatch.setattr("oarepo_s3_client.fs.files.TemporaryFile", lambda prefix: Full())
    file = faked.open("k", "wb", block_size=4)
    with pytest.raises(OSError, match="full"):
        file.write(b"12345")
    assert file.closed
    file.close()
    assert fake.files == {}


def test_no_memory_is_taken_for_the_whole(faked: RecordFileSystem) -> None:
    with faked.open("k", "wb", block_size=1000) as file:
        for _ in range(50):
            file.write(b"1" * 100)
            assert len(file.buffer.getvalue()) < 1000
        file.discard()
    assert not faked.exists("k")


def test_nothing_is_left_of_a_failed_upload(
    fake: FakeRDM, faked: RecordFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oarepo_s3_client.stores.Stores.put", _refuse)
    with pytest.raises(OSError, match="not today") as raised, faked.open("k", "wb") as file:
        file.write(b"all")
    assert raised.value.errno == errno.EIO
    assert isinstance(raised.value.__cause__, ServerTrouble)
    assert "POST /files" in fake.requests
    assert fake.files == {}
    with pytest.raises(OSError, match="not today"):
        faked.pipe_file("k", b"all")
    assert fake.files == {}
    assert faked._access.client.transfers() == []


def _refuse(*arguments: object) -> str:
    raise ServerTrouble("not today")


def test_an_upload_of_somebody_else_is_left_alone(
    fake: FakeRDM, faked: RecordFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 11 * MIB
    (tmp_path / "data").write_bytes(bytes(size))
    with monkeypatch.context() as patched:
        patched.setattr("oarepo_s3_client.servers.invenio_rdm.InvenioRDM.complete", _refuse)
        with pytest.raises(OSError, match="not today"):
            faked.put_file(tmp_path / "data", "k")
    assert fake.files["k"].content is None
    parts = dict(fake.files["k"].parts)
    assert parts
    monkeypatch.setattr("oarepo_s3_client.servers.invenio_rdm.InvenioRDM.complete", _refuse)
    with pytest.raises(OSError, match="not today"):
        faked.pipe_file("k", bytes(size))
    assert fake.files["k"].parts == parts


def test_put_goes_on(fake: FakeRDM, faked: RecordFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").write_bytes(bytes(11 * MIB))
    with monkeypatch.context() as patched:
        patched.setattr("oarepo_s3_client.servers.invenio_rdm.InvenioRDM.complete", _refuse)
        with pytest.raises(OSError, match="not today"):
            faked.put_file(tmp_path / "data", "k")
    sent = len(fake.tokens)
    faked.put_file(tmp_path / "data", "k")
    assert fake.files["k"].content == bytes(11 * MIB)
    assert len(fake.tokens) == sent


def test_a_repository_that_replaces_nothing(fake: FakeRDM, faked: RecordFileSystem) -> None:
    faked.pipe_file("k", b"1")
    with pytest.raises(FileExistsError) as raised:
        faked.pipe_file("k", b"2")
    assert (raised.value.errno, raised.value.filename) == (errno.EEXIST, "k")
    assert fake.files["k"].content == b"1"


def test_only_what_is_not_there(fake: FakeRDM, faked: RecordFileSystem, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"1")
    faked.pipe_file("k", b"0", mode="create")
    for write in (
        lambda: faked.open("k", "xb"),
        lambda: faked.pipe_file("k", b"1", mode="create"),
        lambda: faked.put_file(tmp_path / "data", "k", mode="create"),
    ):
        with pytest.raises(FileExistsError):
            write()
    with faked.open("new", "xb") as file:
        file.write(b"mine")
        RecordFileSystem(faked.record, token=TOKEN, skip_instance_cache=True).pipe_file("new", b"theirs")
        faked.invalidate_cache()
        with pytest.raises(FileExistsError):
            file.commit()
    assert fake.files["new"].content == b"theirs"


@pytest.mark.parametrize("mode", ["ab", "r+b", "a"])
def test_modes_that_there_are_not(faked: RecordFileSystem, mode: str) -> None:
    with pytest.raises(NotImplementedError, match="is read, or written as a whole"):
        faked.open("k", mode)


def test_the_record_itself_is_no_file(faked: RecordFileSystem) -> None:
    for call in (lambda: faked.open("", "wb"), lambda: faked.pipe_file("/", b""), lambda: faked.open("")):
        with pytest.raises(IsADirectoryError):
            call()


# transactions ---------------------------------------------------------------------------------------------------------


def test_a_transaction_writes_at_its_end(fake: FakeRDM, faked: RecordFileSystem, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"put")
    faked.pipe_file("old", b"copied")
    with faked.transaction:
        faked.pipe_file("piped", b"piped")
        faked.put_file(tmp_path / "data", "put")
        faked.cp_file("old", "copied")
        with faked.open("written", "wb") as file:
            file.write(b"written")
        assert list(fake.files) == ["old"]
    assert {key: file.content for key, file in fake.files.items()} == {
        "old": b"copied",
        **{name: name.encode() for name in ("piped", "put", "copied", "written")},
    }
    assert faked.exists("written")


def test_a_failed_transaction_writes_nothing(fake: FakeRDM, faked: RecordFileSystem) -> None:

    def fail() -> None:
        with faked.transaction:
            faked.pipe_file("k", b"1")
            raise Broken

    with pytest.raises(Broken):
        fail()
    assert fake.files == {}
    faked.pipe_file("k", b"2")
    assert fake.files["k"].content == b"2"


def test_a_file_that_failed_within_a_transaction_is_left_out(fake: FakeRDM, faked: RecordFileSystem) -> None:
    with faked.transaction:
        with pytest.raises(Broken):
            fail_while_writing(faked.open("bad", "wb"))
        faked.pipe_file("good", b"1")
    assert list(fake.files) == ["good"]


def test_temporary_files_do_not_stay(faked: RecordFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    faked.pipe_file("k", b"1")
    faked.cp_file("k", "l")
    faked.cp_file("k", "k")
    with pytest.raises(FileNotFoundError):
        faked.cp_file("nothing", "m")
    with faked.open("n", "wb") as file:
        file.write(b"1")
        assert isinstance(file, RecordFile)
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(faked.find("")) == ["k", "l", "n"]
