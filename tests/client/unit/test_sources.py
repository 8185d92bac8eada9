# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
import os
from io import BytesIO
from pathlib import Path

import pytest

from oarepo_s3_client.errors import FileChanged, SourceError, UsageError
from oarepo_s3_client.plan import Plan
from oarepo_s3_client.sources import FileSource, SeekableSource, Source, StreamSource, blocks, open_source

CONTENT = bytes(range(256)) * 10


class OneWay(BytesIO):
    """Can be read once, in small pieces."""

    def seekable(self) -> bool:
        return False

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 1, 100))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "data"
    found.write_bytes(CONTENT)
    return found


def read(source: Source, offset: int, size: int, block: int = 70) -> bytes:
    return b"".join(bytes(piece) for piece in blocks(source, offset, size, block))


@pytest.mark.parametrize("make", [lambda path: str(path), lambda path: path, lambda path: BytesIO(path.read_bytes())])
def test_ranges(path: Path, make) -> None:  # type: ignore[no-untyped-def]
    source = open_source(make(path), None)
    plan = Plan(source.size, 1000)
    for number in (3, 1, 2, 1):
        part = plan.part(number)
        source.prepare(part)
        assert read(source, part.offset, part.size) == CONTENT[part.offset : part.offset + part.size]
        source.release(part)
    source.check()
    source.close()


def test_where_ranges_cannot_be_read_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "preadv", raising=False)
    assert read(FileSource(path), 100, 500) == CONTENT[100:600]


def test_a_stream_is_kept_until_it_has_arrived() -> None:
    source = open_source(OneWay(CONTENT), len(CONTENT))
    plan = Plan(len(CONTENT), 1000)
    for number in (2, 1, 3):
        part = plan.part(number)
        source.prepare(part)
        for _ in range(2):
            assert read(source, part.offset, part.size) == CONTENT[part.offset : part.offset + part.size]
        source.release(part)
        source.release(part)
    source.check()
    source.close()


def test_a_stream_with_less_or_more_than_was_said(tmp_path: Path) -> None:
    short = StreamSource(OneWay(CONTENT), len(CONTENT) + 1)
    with pytest.raises(SourceError, match=f"ended after {len(CONTENT)} bytes"):
        short.prepare(Plan(len(CONTENT) + 1, 10**6).part(1))
    long = StreamSource(OneWay(CONTENT), 100)
    long.prepare(Plan(100, 60).part(2))
    with pytest.raises(SourceError, match="more than the 100 bytes"):
        long.check()
    long.close()


def test_a_stream_that_breaks() -> None:
    class Broken(OneWay):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("gone")

    with pytest.raises(SourceError, match="gone"):
        StreamSource(Broken(), 10).prepare(Plan(10, 10).part(1))


def test_a_part_that_cannot_be_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("oarepo_s3_client.sources._read_into", full)
    with pytest.raises(SourceError, match="No space left"):
        StreamSource(OneWay(CONTENT), 10).prepare(Plan(10, 10).part(1))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing", "."):
        with pytest.raises(SourceError):
            open_source(tmp_path / name, None)


def test_sizes_have_to_agree(path: Path) -> None:
    with pytest.raises(UsageError, match="not 5"):
        open_source(path, 5)
    with pytest.raises(UsageError, match="needs its size"):
        open_source(OneWay(CONTENT), None)


def test_a_file_that_changes(path: Path) -> None:
    source = FileSource(path)
    source.check()
    os.utime(path, ns=(1, 1))
    with pytest.raises(FileChanged):
        source.check()


def test_a_file_that_is_replaced_or_vanishes(path: Path) -> None:
    source = FileSource(path)
    found = path.stat()
    other = path.with_name("other")
    other.write_bytes(CONTENT)
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    os.replace(other, path)
    with pytest.raises(FileChanged):
        source.check()
    path.unlink()
    with pytest.raises(FileChanged, match="vanished"):
        source.check()


def test_a_file_that_becomes_shorter(path: Path) -> None:
    source = FileSource(path)
    os.truncate(path, 50)
    with pytest.raises(FileChanged):
        read(source, 0, 100)


def test_a_file_that_cannot_be_read(path: Path) -> None:
    source = FileSource(path)
    source.close()
    with path.open("ab", buffering=0) as write_only:
        source._file = write_only
        with pytest.raises(SourceError, match="cannot be read"):
            read(source, 0, 10)


def test_an_object_that_changes() -> None:
    stream = BytesIO(CONTENT)
    source = SeekableSource(stream)
    stream.truncate(10)
    with pytest.raises(FileChanged):
        source.check()
    source.close()
