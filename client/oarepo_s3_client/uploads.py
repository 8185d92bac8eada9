# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Uploads: open, send the parts, complete, compare."""

import os
import unicodedata
from collections.abc import Callable
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
from oarepo_s3_client.integrity import content_md5, local_checksum, md5_of_part, parse_checksum, same_object
from oarepo_s3_client.journal import Entry, transfer_id
from oarepo_s3_client.retries import StoreForgot
from oarepo_s3_client.sending import SendingParts, sort_arrived
from oarepo_s3_client.servers.discovery import target_of
from oarepo_s3_client.servers.face import Completed, Face, Opened, Target
from oarepo_s3_client.sources import Source, blocks, open_source

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
        self.transfer = transfer_id("upload", path, self._target.url, self.key)
        self._watch = Stopwatch()
        self._asking = context.asking(self.transfer, self.key)

    def run(self, opened: Opened | None = None) -> Flow[api.Uploaded]:
        """Do it all.

        Args:
            opened: the upload, where somebody has opened it already.

        Raises:
            ClientError: it could not be done; what has arrived stays.
        """
        try:
            source: Source = yield Blocking(lambda: open_source(self._item.source, self._item.size))
            try:
                return (yield from self._upload(source, opened))
            finally:
                source.close()
        except ClientError as error:
            self.tell_failed(error)
            raise

    def tell_failed(self, error: ClientError) -> None:
        """Tell that it has ended without success."""
        self._context.emit(Failed(self.transfer, self.key, error.code, error.message, error.hint))

    def _upload(self, source: Source, opened: Opened | None) -> Flow[api.Uploaded]:
        face, present = yield from self._look()
        if opened is None and present is not None and (yield from self._is_there(source, present)):
            return self.end_present(source, present)
        try:
            return (yield from self._send(face, source, opened))
        except StoreForgot:
            # Let the repository find out; if it still believes in the upload, there is nothing left in it to keep.
            yield from self._end_forgotten(face)
        return (yield from self._send(face, source, None))

    def end_present(self, source: Source, present: api.FileInfo) -> api.Uploaded:
        """Tell that the file is there already."""
        # An earlier run may have been killed between the completion and the end of its notes.
        if self._context.options.journal:
            self._context.journal.remove(self.transfer)
        self._context.emit(Notice("already_there", "The repository has this very file already.", self.key))
        return self._end(source, present.checksum, 0, source.size)

    def _look(self) -> Flow[tuple[Face, api.FileInfo | None]]:
        if self._known is not None:
            return (yield from self.face()), self._known(self.key)
        face, files = yield from self._context.discover(self._target, self._asking)
        return face, next((info for info in files if info.key == self.key), None)

    def _is_there(self, source: Source, info: api.FileInfo) -> Flow[bool]:
        """Whether the record's file is this one, as its checksum says."""
        wanted = parse_checksum(info.checksum)
        if info.status != "completed" or info.size != source.size or wanted is None:
            return False
        if not self._context.options.part_md5 or not source.rereadable:
            return False
        local = yield Blocking(lambda: local_checksum(wanted, source.size, lambda at, size: blocks(source, at, size)))
        source.check()
        return bool(local == wanted.text)

    def face(self) -> Flow[Face]:
        """The repository's face, which tells of this upload's retries."""
        return (yield from self._context.face(self._target, self._asking))

    def _end_forgotten(self, face: Face) -> Flow[None]:
        try:
            yield from face.status(self.key)
            yield from face.abort(self.key)
        except (NotFound, UploadGone):
            return  # it has found out

    def _send(self, face: Face, source: Source, opened: Opened | None) -> Flow[api.Uploaded]:
        md5 = yield from self._md5_of_small(face, source)
        if not source.size and md5 is None:
            return self._end(source, (yield from face.put_empty(self.key)), 0, 0)
        try:
            opened = opened or (yield from self._open(face, source, md5))
        except Refused:
            if source.size:
                raise
            return self._end(source, (yield from face.put_empty(self.key)), 0, 0)
        if opened.plan.size != source.size:
            raise FileChanged("The file has changed since its upload was opened.")
        return (yield from self._send_parts(face, source, opened, md5))

    def _md5_of_small(self, face: Face, source: Source) -> Flow[str | None]:
        """The MD5 of a file that may go by one PUT."""
        small = face.one_put and source.size <= self._context.one_put_limit(self._target)
        if not small or not (source.rereadable or not source.size):
            return None
        md5: str = yield Blocking(lambda: md5_of_part(blocks(source, 0, source.size)))
        return md5

    def _open(self, face: Face, source: Source, md5: str | None) -> Flow[Opened]:
        """Open the upload; a refusal for its size may mean that the file has changed since."""
        options = self._context.options
        try:
            wanted = None if md5 is None else content_md5(md5)
            opened = yield from face.open(self.key, source.size, options.part_size, wanted)
        except Refused as error:
            noted = self._context.journal.load(self.transfer) if options.journal and self._path else None
            if error.code == "upload_exists" and noted is not None and noted.identity != source.identity:
                raise FileChanged("The file has changed since its upload began.") from error
            raise
        return opened

    def _send_parts(self, face: Face, source: Source, opened: Opened, md5: str | None) -> Flow[api.Uploaded]:
        keep = self._context.options.journal and source.path is not None and opened.plan.parts_count > 1
        with ExitStack() as stack:
            if keep:
                stack.enter_context(self._context.journal.locked(self.transfer))
            parts = self.sending(face, source, opened, md5, keep=keep)
            try:
                yield Lanes(parts)
            finally:
                parts.save()
            parts.raise_unless_moved()
            uploaded = yield from self.complete(parts)
            if keep:
                self._context.journal.remove(self.transfer)
        return uploaded

    def _entry(self, source: Source, opened: Opened) -> Entry:
        return Entry(
            transfer=self.transfer,
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
        noted = self._context.journal.load(self.transfer)
        if noted is None or noted.upload != entry.upload or noted.part_size != entry.part_size:
            return None
        if noted.identity != entry.identity:
            raise FileChanged("The file has changed since its upload began.")
        return noted

    def sending(
        self, face: Face, source: Source, opened: Opened, md5: str | None, *, keep: bool = False
    ) -> SendingParts:
        """The parts, and what there is of them already; tells that it begins.

        Args:
            face: of the repository.
            source: of the bytes.
            opened: the upload.
            md5: of the whole file, if it is known.
            keep: whether it goes into the journal.
        """
        entry = self._entry(source, opened)
        noted = self._noted(entry) if keep else None
        if opened.arrived is None and opened.plan.parts_count > 1:
            self._context.tell_no_list(self._target, self.key, again=opened.found and noted is None)
        arrived, unchecked = sort_arrived(opened, noted, md5, compare=self._context.options.part_md5)
        parts = SendingParts(self._context, face, entry, self._cancel, keep=keep, arrived=arrived, unchecked=unchecked)
        parts.source, parts.headers, parts.md5 = source, opened.headers, md5
        parts.engine.offer(opened.signed)
        self._tell_started(parts, face)
        return parts

    def _tell_started(self, parts: SendingParts, face: Face) -> None:
        plan, resumed = parts.plan, parts.resumed_bytes
        self._context.emit(
            Started(self.transfer, self.key, plan.size, plan.parts_count, plan.part_size, resumed, face.name)
        )
        if resumed:
            parts.count.tell()

    def complete(self, parts: SendingParts) -> Flow[api.Uploaded]:
        """Make a file of the parts, and send those once more that the repository misses."""
        for _ in range(ROUNDS):
            yield Blocking(parts.source.check)
            self.tell_finishing()
            completed = yield from parts.face.complete(self.key, parts.engine.etags)
            if not completed.again:
                return self.end_completed(parts, completed)
            parts.send_again(completed.again)
            yield Lanes(parts)
            parts.raise_unless_moved()
        raise IntegrityError("The repository misses parts again and again that the store has taken.")

    def tell_finishing(self) -> None:
        """Tell that all bytes are there."""
        self._context.emit(Finishing(self.transfer, self.key))

    def end_completed(self, parts: SendingParts, completed: Completed) -> api.Uploaded:
        """Compare the file in the repository with what was sent, and tell that it is there.

        Raises:
            IntegrityError: it is another one.
        """
        predicted = parts.engine.composite if self._context.options.part_md5 and parts.headers is None else None
        if not same_object(predicted, completed.checksum, parts.md5):
            raise IntegrityError("The file in the repository is not the one that was sent.")
        return self._end(parts.source, completed.checksum, parts.count.moved, parts.resumed_bytes)

    def _end(self, source: Source, checksum: str | None, sent: int, resumed: int) -> api.Uploaded:
        seconds = self._watch.seconds
        self._context.emit(Finished(self.transfer, self.key, source.size, checksum, seconds, sent))
        return api.Uploaded(self.key, source.size, checksum, self.transfer, sent, resumed, seconds)
