# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Where the bytes of an upload come from: a file by ranges, or a stream. Never a whole part in memory."""

import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from oarepo_s3_client.api import Source as GivenSource
from oarepo_s3_client.errors import FileChanged, SourceError, UsageError
from oarepo_s3_client.pacing import BLOCK
from oarepo_s3_client.plan import Part


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a file is known again: size in bytes, time of the last change, and the file's number on its disk."""

    size: int
    mtime_ns: int
    inode: int


class Source(Protocol):
    """Bytes that can be read by part, and again, by several threads.

    Attributes:
        path: of the file, None for a stream.
        size: in bytes.
        identity: None for what cannot be known again.
        rereadable: whether all of it can be read before it is sent.
    """

    path: Path | None
    size: int
    identity: Identity | None
    rereadable: bool

    def prepare(self, part: Part) -> None:
        """Make the part's bytes readable."""
        ...

    def read(self, buffer: memoryview, offset: int) -> int:
        """Fill the buffer from this offset; the number of bytes, less than asked for only at the end."""
        ...

    def release(self, part: Part) -> None:
        """The part has arrived and is not read any more."""
        ...

    def check(self) -> None:
        """Raise FileChanged if it is not what it was at the beginning."""
        ...

    def close(self) -> None:
        """Close what was opened here."""
        ...


def blocks(source: Source, offset: int, size: int, block: int = BLOCK) -> Iterator[memoryview]:
    """The bytes of a range, in blocks that are overwritten by the next one.

    Raises:
        FileChanged: there are fewer.
    """
    buffer = memoryview(bytearray(min(block, size)))
    end = offset + size
    while offset < end:
        count = source.read(buffer[: min(len(buffer), end - offset)], offset)
        if not count:
            raise FileChanged("The file has become shorter while it was read.")
        yield buffer[:count]
        offset += count


def open_source(given: GivenSource, size: int | None) -> Source:
    """The source for what the caller has given.

    Args:
        given: a path, or an object to read from.
        size: bytes to come, needed for a stream that cannot tell.

    Raises:
        SourceError: it cannot be read.
        UsageError: the size is needed, or is another one.
    """
    source: Source
    if isinstance(given, str | os.PathLike):
        source = FileSource(Path(given))
    elif _can_seek(given):
        source = SeekableSource(given)
    elif size is None:
        raise UsageError("A stream needs its size.", hint="Give the number of bytes that will come (--size).")
    else:
        source = StreamSource(given, size)
    if size is not None and source.size != size:
        source.close()
        raise UsageError(f"The source has {source.size} bytes, not {size}.")
    return source


class FileSource:
    """A regular file; threads read it independently of each other."""

    rereadable = True

    def __init__(self, path: Path):
        self.path: Path | None = path
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):  # before it is opened: a pipe without a writer never opens
                raise SourceError("It is no regular file.", hint="Send a stream through standard input.")
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise SourceError(f"The file cannot be read: {error.strerror}.") from error
        self.identity: Identity | None = identity_of(os.fstat(self._file.fileno()))
        self.size = self.identity.size
        self._lock = threading.Lock()

    def prepare(self, part: Part) -> None:
        """Nothing to do."""

    def read(self, buffer: memoryview, offset: int) -> int:
        """Fill the buffer from this offset."""
        try:
            if hasattr(os, "preadv"):
                return os.preadv(self._file.fileno(), [buffer], offset)
            with self._lock:
                self._file.seek(offset)
                return self._file.readinto(buffer) or 0
        except OSError as error:
            raise SourceError(f"The file cannot be read: {error.strerror}.") from error

    def release(self, part: Part) -> None:
        """Nothing to do."""

    def check(self) -> None:
        """Compare size, time and inode with those of the beginning."""
        assert self.path is not None
        try:
            now = identity_of(self.path.stat())
        except OSError as error:
            raise FileChanged("The file has vanished while it was sent.") from error
        if now != self.identity or identity_of(os.fstat(self._file.fileno())) != self.identity:
            raise FileChanged("The file has changed while it was sent.")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class SeekableSource:
    """An object that can be sought, read from its beginning; it stays the caller's."""

    path: Path | None = None
    identity: Identity | None = None
    rereadable = True

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._lock = threading.Lock()
        self.size = stream.seek(0, os.SEEK_END)

    def prepare(self, part: Part) -> None:
        """Nothing to do."""

    def read(self, buffer: memoryview, offset: int) -> int:
        """Fill the buffer from this offset."""
        with self._lock:
            self._stream.seek(offset)
            return _read_into(self._stream, buffer)

    def release(self, part: Part) -> None:
        """Nothing to do."""

    def check(self) -> None:
        """Compare the size with that of the beginning."""
        with self._lock:
            if self._stream.seek(0, os.SEEK_END) != self.size:
                raise FileChanged("The source has changed while it was sent.")

    def close(self) -> None:
        """Nothing to do."""


class StreamSource:
    """A stream that can be read once.

    Each part is kept in a temporary file until it has arrived, so that it can be sent again: as many parts as there
    are lanes. Parts have to be prepared in about the order of their numbers.
    """

    path: Path | None = None
    identity: Identity | None = None
    rereadable = False

    def __init__(self, stream: BinaryIO, size: int):
        self._stream = stream
        self.size = size
        self._next = 0
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[int, FileSource]] = {}

    def prepare(self, part: Part) -> None:
        """Read the stream up to the end of the part."""
        with self._lock:
            while self._next <= part.offset:
                # All parts but the last have the same size, so that the ones skipped begin at multiples of it.
                self._keep(self._next, min(max(part.size, part.offset // max(1, part.number - 1)), self._rest))

    @property
    def _rest(self) -> int:
        return self.size - self._next

    def _keep(self, offset: int, size: int) -> None:
        descriptor, name = tempfile.mkstemp(prefix="oarepo-s3-part-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                buffer = memoryview(bytearray(min(BLOCK, size)))
                left = size
                while left:
                    count = _read_into(self._stream, buffer[: min(len(buffer), left)])
                    if not count:
                        raise SourceError(f"The stream has ended after {self.size - self._rest + size - left} bytes.")
                    file.write(buffer[:count])
                    left -= count
            self._kept[offset] = (size, FileSource(Path(name)))
        except OSError as error:
            raise SourceError(f"A part of the stream cannot be kept: {error.strerror}.") from error
        finally:
            with suppress(OSError):  # where an open file cannot be removed, close() of the last reader leaves it
                os.unlink(name)
        self._next += size

    def read(self, buffer: memoryview, offset: int) -> int:
        """Fill the buffer from this offset, within one part that was prepared."""
        start = max(kept for kept in tuple(self._kept) if kept <= offset)
        return self._kept[start][1].read(buffer, offset - start)

    def release(self, part: Part) -> None:
        """Drop what was kept of the part."""
        kept = self._kept.pop(part.offset, None)
        if kept is not None:
            kept[1].close()

    def check(self) -> None:
        """When all of it was sent: whether there is more than was said."""
        with self._lock:
            if not self._rest and self._stream.read(1):
                raise SourceError(f"The stream has more than the {self.size} bytes that were said.")

    def close(self) -> None:
        """Drop all that was kept."""
        for _, file in self._kept.values():
            file.close()
        self._kept.clear()


def identity_of(found: os.stat_result) -> Identity:
    """The identity in what the system tells of a file."""
    return Identity(found.st_size, found.st_mtime_ns, found.st_ino)


def _can_seek(stream: BinaryIO) -> bool:
    return bool(getattr(stream, "seekable", lambda: False)())


def _read_into(stream: BinaryIO, buffer: memoryview) -> int:
    try:
        content = stream.read(len(buffer))
    except OSError as error:
        raise SourceError(f"The stream cannot be read: {error.strerror or error}.") from error
    buffer[: len(content)] = content
    return len(content)
