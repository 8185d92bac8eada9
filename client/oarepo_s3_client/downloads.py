# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Downloads: ranges in parallel into a file beside the destination, which takes its name when all is compared."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from oarepo_s3_client import api
from oarepo_s3_client.errors import ClientError, FileChanged, IntegrityError, NotFound, SourceError, UsageError
from oarepo_s3_client.events import Failed, Finished, Finishing, Notice, Started
from oarepo_s3_client.flows import Blocking, Context, Flow, Lanes, Stopwatch
from oarepo_s3_client.integrity import Checksum, local_checksum, new_md5, parse_checksum
from oarepo_s3_client.journal import Entry, transfer_id
from oarepo_s3_client.moving import MovingParts
from oarepo_s3_client.plan import MIB, PREFERRED_PART_SIZE, Part
from oarepo_s3_client.servers.discovery import target_of
from oarepo_s3_client.servers.face import Face, Target
from oarepo_s3_client.sources import FileSource, blocks
from oarepo_s3_client.stores import Sink
from oarepo_s3_client.work import Arrived, Move, SignedPart

SUFFIX = ".oarepo-s3-part"
"""Of what has come so far; no file of a record is likely to have it, as it may have ``.part``."""

LONGEST_NAME = 255
"""Bytes of a file's name on the usual filesystems."""

BIGGEST_RANGE = 64 * MIB


class FetchingParts(MovingParts):
    """The ranges of a download."""

    file: int
    _etag: str = ""
    _etag_lock = threading.Lock()

    def sign(self, numbers: tuple[int, ...]) -> Flow[list[SignedPart]]:
        """Ask the repository where the file is; one address is good for all ranges."""
        url = yield from self.face.location(self.entry.key)
        return [SignedPart(number, url) for number in numbers]

    def move(self, item: Move) -> Arrived:
        """Get a range: received, hashed and written block by block."""
        part, digest = item.part, new_md5()

        def receive() -> Sink:
            nonlocal digest
            digest, offset = new_md5(), part.offset
            self.count.begin(part.number)

            def sink(block: memoryview) -> None:
                nonlocal offset
                self.pace(part.number, len(block))
                digest.update(block)
                offset += _write(self.file, block, offset)

            return sink

        self._same_object(self.context.stores.get(item.url, part.offset, part.size, receive, self))
        return Arrived(digest.hexdigest())

    def local_blocks(self, part: Part) -> Iterator[memoryview]:
        """The part as an earlier run has written it."""
        source = FileSource(part_path(Path(self.entry.path)))
        try:
            yield from blocks(source, part.offset, part.size)
        finally:
            source.close()

    def release(self, part: Part) -> None:
        """Nothing to do."""

    def _same_object(self, etag: str) -> None:
        """Ranges of two objects would make neither."""
        with self._etag_lock:
            self._etag = self._etag or etag
            if self._etag != etag:
                raise FileChanged("The repository's file has changed meanwhile.", hint="Download it again.")


class Download:
    """One download.

    Args:
        context: of the client.
        target: address of the record.
        key: of the file.
        destination: path of the file, or a folder.
        cancel: stops it.
    """

    def __init__(self, context: Context, target: str, key: str, destination: Path, cancel: api.Cancel):
        self._context, self._key, self._cancel = context, key, cancel
        self._target: Target = target_of(target)
        if destination.is_dir():
            destination /= key.rpartition("/")[2]
        self._path = destination.absolute()
        self._transfer = transfer_id("download", str(self._path), self._target.url, key)
        self._watch = Stopwatch()

    def run(self) -> Flow[api.Downloaded]:
        """Do it all.

        Raises:
            ClientError: it could not be done; what has come stays.
        """
        try:
            return (yield from self._download())
        except ClientError as error:
            self._context.emit(Failed(self._transfer, self._key, error.code, error.message, error.hint))
            raise

    def _download(self) -> Flow[api.Downloaded]:
        asking = self._context.asking(self._transfer, self._key)
        face, files = yield from self._context.discover(self._target, asking)
        info = find_file(files, self._key)
        if info.size is None:
            raise UsageError("The repository does not say how big the file is.")
        known = parse_checksum(info.checksum)
        if known is None:
            self._context.emit(Notice("unverified", "The repository has no checksum to compare with.", self._key))
        if not info.size:
            yield Blocking(lambda: self._path.write_bytes(b""))
            return self._end(info, known, 0, 0)
        return (yield from self._fetch(face, info, known))

    def _fetch(self, face: Face, info: api.FileInfo, known: Checksum | None) -> Flow[api.Downloaded]:
        entry = self._entry(info, known)
        keep = self._context.options.journal
        with ExitStack() as stack:
            if keep:
                stack.enter_context(self._context.journal.locked(self._transfer))
            unchecked = self._noted(entry) if keep else {}
            parts = FetchingParts(self._context, face, entry, self._cancel, keep=keep, arrived={}, unchecked=unchecked)
            parts.file = _open(part_path(self._path), entry.size)
            stack.callback(os.close, parts.file)
            self._started(parts, face)
            try:
                yield Lanes(parts)
            finally:
                parts.save()
            parts.raise_unless_moved()
            yield from self._finish(parts, known)
        return self._end(info, known, parts.count.moved, parts.resumed_bytes)

    def _finish(self, parts: FetchingParts, known: Checksum | None) -> Flow[None]:
        self._context.emit(Finishing(self._transfer, self._key))
        same = yield from self._same(parts, known)
        if self._context.options.journal:
            self._context.journal.remove(self._transfer)
        if not same:
            part_path(self._path).unlink()
            raise IntegrityError("What has come is not what the repository's checksum says.", hint="Download it again.")
        os.replace(part_path(self._path), self._path)

    def _same(self, parts: FetchingParts, known: Checksum | None) -> Flow[bool]:
        if known is None:
            return True
        if known.algorithm == "multipart" and known.part_size == parts.plan.part_size:
            return parts.engine.composite == known.value
        return (yield from compare(part_path(self._path), known)) == known.text

    def _entry(self, info: api.FileInfo, known: Checksum | None) -> Entry:
        part_size = PREFERRED_PART_SIZE
        if known is not None and MIB <= known.part_size <= BIGGEST_RANGE:
            part_size = known.part_size
        return Entry(
            transfer=self._transfer,
            kind="download",
            path=str(self._path),
            target=self._target.url,
            key=self._key,
            size=info.size or 0,
            part_size=part_size,
            upload=info.checksum or "",
            identity=None,
            compared=True,
        )

    def _noted(self, entry: Entry) -> dict[int, str]:
        """The MD5s of what an earlier run has written of the same file."""
        noted = self._context.journal.load(self._transfer)
        so_far = part_path(self._path)
        if noted is None or not so_far.exists() or so_far.stat().st_size != entry.size:
            return {}
        same = (noted.upload, noted.size, noted.part_size) == (entry.upload, entry.size, entry.part_size)
        return dict(noted.etags) if same and entry.upload else {}

    def _started(self, parts: FetchingParts, face: Face) -> None:
        plan = parts.plan
        self._context.emit(
            Started(
                self._transfer, self._key, plan.size, plan.parts_count, plan.part_size, parts.resumed_bytes, face.name
            )
        )

    def _end(self, info: api.FileInfo, known: Checksum | None, received: int, resumed: int) -> api.Downloaded:
        seconds, size = self._watch.seconds, info.size or 0
        checksum = known.text if known else None
        self._context.emit(Finished(self._transfer, self._key, size, checksum, seconds, received))
        return api.Downloaded(self._key, self._path, size, checksum, self._transfer, received, resumed, seconds)


def find_file(files: list[api.FileInfo], key: str) -> api.FileInfo:
    """The file with this key that can be read.

    Raises:
        NotFound: the record has none.
    """
    found = next((info for info in files if info.key == key and info.status == "completed"), None)
    if found is None:
        raise NotFound("The record has no such file.", hint="See `oarepo-s3 ls`; a pending one cannot be read yet.")
    return found


def compare(path: Path, known: Checksum) -> Flow[str]:
    """The same kind of checksum of a local file."""

    def work() -> str:
        source = FileSource(path)
        try:
            return local_checksum(known, source.size, lambda offset, size: blocks(source, offset, size))
        finally:
            source.close()

    checksum: str = yield Blocking(work)
    return checksum


def part_path(path: Path) -> Path:
    """Where a download keeps what has come so far."""
    name = path.name + SUFFIX
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(path.name)).hexdigest() + SUFFIX
    return path.with_name(name)


def _open(path: Path, size: int) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        os.truncate(descriptor, size)
    except OSError as error:
        raise SourceError(f"The destination cannot be written: {error.strerror}.") from error
    return descriptor


_write_lock = threading.Lock()


def _write(descriptor: int, block: memoryview, offset: int) -> int:
    try:
        if hasattr(os, "pwrite"):
            written = 0
            while written < len(block):
                written += os.pwrite(descriptor, block[written:], offset + written)
            return written
        with _write_lock:
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.write(descriptor, block)
    except OSError as error:
        raise SourceError(f"The destination cannot be written: {error.strerror}.") from error
