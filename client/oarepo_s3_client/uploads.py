# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Uploads: open, send the parts, complete, compare."""

import os
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from oarepo_s3_client import api
from oarepo_s3_client.errors import (
    ClientError,
    FileChanged,
    IntegrityError,
    NotFound,
    Refused,
    UploadGone,
    UsageError,
)
from oarepo_s3_client.events import Failed, Finished, Finishing, Notice, Started
from oarepo_s3_client.flows import Blocking, Context, Flow, Lanes, Stopwatch
from oarepo_s3_client.integrity import is_md5, local_checksum, new_md5, parse_checksum, same_object
from oarepo_s3_client.journal import Entry, transfer_id
from oarepo_s3_client.moving import MovingParts
from oarepo_s3_client.plan import Part
from oarepo_s3_client.retries import StoreForgot
from oarepo_s3_client.servers.discovery import target_of
from oarepo_s3_client.servers.face import Face, Opened, Target
from oarepo_s3_client.sources import Source, blocks, open_source
from oarepo_s3_client.work import Arrived, Move, SignedPart

ROUNDS = 3
"""How often the repository may miss parts, at completion, that the store has taken."""

Known = Callable[[str], api.FileInfo | None]
"""The file that a record has of a key, if it is known already."""


def key_of(given: api.Source) -> str:
    """The name that a file gets if nobody says otherwise: its own, in composed form (NFC).

    Raises:
        UsageError: a stream has no name.
    """
    if not isinstance(given, str | os.PathLike):
        raise UsageError("A stream needs a key.", hint="Give the name that the file is to have (--key).")
    return unicodedata.normalize("NFC", Path(given).name)


class SendingParts(MovingParts):
    """The parts of an upload."""

    source: Source

    def sign(self, numbers: tuple[int, ...]) -> Flow[list[SignedPart]]:
        """Ask the repository for URLs."""
        return (yield from self.face.sign(self.entry.key, numbers))

    def move(self, item: Move) -> Arrived:
        """Put a part: read, hashed and sent block by block, once."""
        part, digest = item.part, new_md5()

        def body() -> Iterator[memoryview]:
            nonlocal digest
            digest = new_md5()
            self.count.begin(part.number)
            for block in self._blocks(part):
                self.pace(part.number, len(block))
                if self.context.options.part_md5:
                    digest.update(block)
                yield block

        self.source.prepare(part)
        etag = self.context.stores.put(item.url, part.size, body, self)
        self.source.check()
        return Arrived(etag, digest.hexdigest() if self.context.options.part_md5 else None)

    def local_blocks(self, part: Part) -> Iterator[memoryview]:
        """The part as it is in the source."""
        self.source.prepare(part)
        return self._blocks(part)

    def release(self, part: Part) -> None:
        """The source need not keep the part."""
        self.source.release(part)

    def _blocks(self, part: Part) -> Iterator[memoryview]:
        return blocks(self.source, part.offset, part.size, self.context.pacing.block)


class Upload:
    """One upload.

    Args:
        context: of the client.
        item: what to send.
        target: address of the record.
        cancel: stops it.
        known: files of the record, where somebody has asked already.
    """

    def __init__(
        self,
        context: Context,
        item: api.UploadItem,
        target: str,
        cancel: api.Cancel,
        known: Known | None = None,
    ):
        self._context, self._item, self._cancel, self._known = context, item, cancel, known
        self._target: Target = target_of(target)
        self.key = key_of(item.source) if item.key is None else item.key
        path = str(Path(item.source).absolute()) if isinstance(item.source, str | os.PathLike) else ""
        self._path = path
        self._transfer = transfer_id("upload", path, self._target.url, self.key)
        self._watch = Stopwatch()
        self._asking = context.asking(self._transfer, self.key)

    def run(self) -> Flow[api.Uploaded]:
        """Do it all.

        Raises:
            ClientError: it could not be done; what has arrived stays.
        """
        try:
            source: Source = yield Blocking(lambda: open_source(self._item.source, self._item.size))
            try:
                return (yield from self._upload(source))
            finally:
                source.close()
        except ClientError as error:
            self._context.emit(Failed(self._transfer, self.key, error.code, error.message, error.hint))
            raise

    def _upload(self, source: Source) -> Flow[api.Uploaded]:
        face, present = yield from self._look()
        if present is not None and (yield from self._is_there(source, present)):
            # An earlier run may have been killed between the completion and the end of its notes.
            if self._context.options.journal:
                self._context.journal.remove(self._transfer)
            self._context.emit(Notice("already_there", "The repository has this very file already.", self.key))
            return self._end(source, present.checksum, 0, source.size)
        if source.size == 0:
            checksum = yield from face.put_empty(self.key)
            return self._end(source, checksum, 0, 0)
        try:
            return (yield from self._send(face, source))
        except StoreForgot:
            # Let the repository find out; if it still believes in the upload, there is nothing left in it to keep.
            yield from self._end_forgotten(face)
        return (yield from self._send(face, source))

    def _look(self) -> Flow[tuple[Face, api.FileInfo | None]]:
        if self._known is not None:
            face = yield from self._context.face(self._target, self._asking)
            return face, self._known(self.key)
        face, files = yield from self._context.discover(self._target, self._asking)
        return face, next((info for info in files if info.key == self.key), None)

    def _is_there(self, source: Source, info: api.FileInfo) -> Flow[bool]:
        """Whether the record's file is this one, as its checksum says."""
        wanted = parse_checksum(info.checksum)
        if info.status != "completed" or info.size != source.size or wanted is None:
            return False
        if not self._context.options.part_md5 or not source.size or not source.rereadable:
            return False
        local = yield Blocking(lambda: local_checksum(wanted, source.size, lambda at, size: blocks(source, at, size)))
        source.check()
        return bool(local == wanted.text)

    def _end_forgotten(self, face: Face) -> Flow[None]:
        try:
            yield from face.status(self.key)
            yield from face.abort(self.key)
        except (NotFound, UploadGone):
            return  # it has found out

    def _send(self, face: Face, source: Source) -> Flow[api.Uploaded]:
        opened: Opened = yield from self._open(face, source)
        if opened.arrived is None:
            text = "The repository cannot list the parts that have arrived: only this machine's journal knows them."
            self._context.emit(Notice("no_part_list", text, self.key))
        entry = self._entry(source, opened)
        keep = self._context.options.journal and source.path is not None and opened.plan.parts_count > 1
        with ExitStack() as stack:
            noted = None
            if keep:
                stack.enter_context(self._context.journal.locked(self._transfer))
                noted = self._noted(entry)
            parts = self._parts(face, source, entry, opened, noted, keep=keep)
            resumed = self._started(parts, face)
            try:
                yield Lanes(parts)
            finally:
                parts.save()
            parts.raise_unless_moved()
            checksum = yield from self._complete(face, parts, source)
            if keep:
                self._context.journal.remove(self._transfer)
        return self._end(source, checksum, parts.count.moved, resumed)

    def _open(self, face: Face, source: Source) -> Flow[Opened]:
        """Open the upload; a refusal for its size may mean that the file has changed since."""
        options = self._context.options
        try:
            return (yield from face.open(self.key, source.size, options.part_size))
        except Refused as error:
            noted = self._context.journal.load(self._transfer) if options.journal and self._path else None
            if error.code == "upload_exists" and noted is not None and noted.identity != source.identity:
                raise FileChanged("The file has changed since its upload began.") from error
            raise

    def _entry(self, source: Source, opened: Opened) -> Entry:
        return Entry(
            transfer=self._transfer,
            kind="upload",
            path=self._path,
            target=self._target.url,
            key=self.key,
            size=source.size,
            part_size=opened.plan.part_size,
            upload=opened.upload,
            identity=source.identity,
            compared=self._context.options.part_md5,
        )

    def _noted(self, entry: Entry) -> Entry | None:
        """What the journal says of this very upload.

        Raises:
            FileChanged: the file was another one then.
        """
        noted = self._context.journal.load(self._transfer)
        if noted is None or noted.upload != entry.upload or noted.part_size != entry.part_size:
            return None
        if noted.identity != entry.identity:
            raise FileChanged("The file has changed since its upload began.")
        return noted

    def _parts(
        self, face: Face, source: Source, entry: Entry, opened: Opened, noted: Entry | None, *, keep: bool
    ) -> SendingParts:
        arrived, unchecked = self._sort(opened, noted)
        parts = SendingParts(self._context, face, entry, self._cancel, keep=keep, arrived=arrived, unchecked=unchecked)
        parts.source = source
        parts.engine.offer(opened.signed)
        return parts

    def _sort(self, opened: Opened, noted: Entry | None) -> tuple[dict[int, str], dict[int, str]]:
        """(parts that are there, parts that are there and have to be compared with the file)."""
        hashes = self._context.options.part_md5
        own = noted.etags if noted is not None and (noted.compared or not hashes) else {}
        if opened.arrived is None:
            return dict(own), {}
        there = {
            number: etag
            for number, (etag, size) in opened.arrived.items()
            if number <= opened.plan.parts_count and size == opened.plan.part(number).size
        }
        unchecked = {
            number: etag for number, etag in there.items() if hashes and is_md5(etag) and own.get(number) != etag
        }
        return {number: etag for number, etag in there.items() if number not in unchecked}, unchecked

    def _started(self, parts: SendingParts, face: Face) -> int:
        """Tell that it begins, and return the bytes that had arrived before."""
        resumed = parts.resumed_bytes
        plan = parts.plan
        self._context.emit(
            Started(self._transfer, self.key, plan.size, plan.parts_count, plan.part_size, resumed, face.name)
        )
        if resumed:
            parts.count.tell()
        return resumed

    def _complete(self, face: Face, parts: SendingParts, source: Source) -> Flow[str | None]:
        for _ in range(ROUNDS):
            yield Blocking(source.check)
            predicted = parts.engine.composite if self._context.options.part_md5 else None
            self._context.emit(Finishing(self._transfer, self.key))
            completed = yield from face.complete(self.key, parts.engine.etags)
            if not completed.again:
                if not same_object(predicted, completed.checksum):
                    raise IntegrityError("The file in the repository is not the one that was sent.")
                return completed.checksum
            parts.send_again(completed.again)
            yield Lanes(parts)
            parts.raise_unless_moved()
        raise IntegrityError("The repository misses parts again and again that the store has taken.")

    def _end(self, source: Source, checksum: str | None, sent: int, resumed: int) -> api.Uploaded:
        seconds = self._watch.seconds
        self._context.emit(Finished(self._transfer, self.key, source.size, checksum, seconds, sent))
        return api.Uploaded(self.key, source.size, checksum, self._transfer, sent, resumed, seconds)
