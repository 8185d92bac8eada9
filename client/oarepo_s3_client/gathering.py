# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The next files of a stream of many: looked at, and read if they are small, before anything is asked."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from time import monotonic
from typing import Literal

from oarepo_s3_client import api
from oarepo_s3_client.errors import ClientError, Interrupted
from oarepo_s3_client.flows import ONE_PUT_LIMIT, Context
from oarepo_s3_client.integrity import content_md5, parse_checksum
from oarepo_s3_client.sending import SendingParts
from oarepo_s3_client.servers.discovery import target_of
from oarepo_s3_client.servers.face import Face, Opened, Wanted
from oarepo_s3_client.small_files import SmallFile, look_at
from oarepo_s3_client.uploads import Upload

OnError = Literal["raise", "skip"]

SECONDS = 0.02
"""So long the next files are looked at before the first of them go on their way."""

FILES = 32
"""So many at most."""


@dataclass(eq=False, slots=True)
class One:
    """One file of many, and how far it is.

    Attributes:
        small: the file, if it may be opened with others.
        opened: its upload, once it was opened.
        opened_at: when, in seconds of the monotonic clock.
        parts: what is sent of it, once that has begun.
        wait: seconds to wait before it is asked for by itself.
        kept: bytes of it that are in memory.
    """

    item: api.UploadItem
    upload: Upload
    small: SmallFile | None = None
    opened: Opened | None = None
    opened_at: float = 0.0
    parts: SendingParts | None = None
    wait: float = 0.0
    kept: int = 0

    @property
    def wanted(self) -> Wanted:
        """What asks for its upload."""
        assert self.small is not None
        md5 = self.small.md5
        return Wanted(self.upload.key, self.small.size, None if md5 is None else content_md5(md5))


@dataclass(slots=True)
class Gathered:
    """The next files, those that ended at once, and whether there are no more.

    Attributes:
        error: of the caller's own iterator.
    """

    files: list[One] = field(default_factory=list)
    ended: list[tuple[api.UploadItem, api.Uploaded | ClientError]] = field(default_factory=list)
    at_end: bool = False
    error: Exception | None = None


class Gathering:
    """Takes items and looks at their files; by one thread at a time, which may be another one each time.

    Args:
        context: of the client.
        items: are taken as they are needed.
        target: address of the record.
        on_error: whether it stops at the first file that cannot be read.
        cancel: stops it.
        active: keys of files that are on their way; another one of the same name does not go with others.
    """

    def __init__(
        self,
        context: Context,
        items: Iterable[api.UploadItem],
        target: str,
        on_error: OnError,
        cancel: api.Cancel,
        active: Callable[[str], bool],
    ):
        self._context, self._target, self._on_error, self._cancel = context, target, on_error, cancel
        self._active, self._place = active, target_of(target)
        self._items: Iterator[api.UploadItem] = iter(items)
        self._files: dict[str, api.FileInfo] = {}

    def know(self, files: Iterable[api.FileInfo]) -> None:
        """Take the files that the record has."""
        self._files = {info.key: info for info in files}

    def next(self, face: Face, room: int) -> Gathered:
        """The next files; a big one ends the round.

        Args:
            face: of the repository.
            room: bytes of content that may be kept.
        """
        gathered, until = Gathered(), monotonic() + SECONDS
        while len(gathered.files) < FILES and monotonic() < until:
            if self._cancel.cancelled:
                raise Interrupted("Interrupted; what has arrived stays.")
            try:
                item = next(self._items, None)
            except Exception as error:  # it goes back to the caller
                gathered.error, gathered.at_end = error, True
                return gathered
            if item is None:
                gathered.at_end = True
                return gathered
            room -= self._take(item, face, room, gathered)
            if gathered.at_end or (gathered.files and gathered.files[-1].small is None):
                return gathered
        return gathered

    def _take(self, item: api.UploadItem, face: Face, room: int, gathered: Gathered) -> int:
        """Look at one file; the bytes that are kept of it."""
        keys = {one.upload.key for one in gathered.files}
        try:
            one = self._one(item, face, room, keys)
        except ClientError as error:
            gathered.ended.append((item, error))
            gathered.at_end = self._on_error == "raise"
            return 0
        if isinstance(one, api.Uploaded):
            gathered.ended.append((item, one))
            return 0
        gathered.files.append(one)
        return one.kept

    def _one(self, item: api.UploadItem, face: Face, room: int, keys: set[str]) -> One | api.Uploaded:
        info: list[api.FileInfo] = []
        upload = Upload(self._context, item, self._target, self._cancel, lambda key: info[0] if info else None)
        known = self._files.pop(upload.key, None)
        if known is not None:
            info.append(known)
        if not isinstance(item.source, str | PathLike) or self._active(upload.key) or upload.key in keys:
            return One(item, upload)
        try:
            small = self._look_at(Path(item.source), item.size, face, room)
        except ClientError as error:
            upload.tell_failed(error)
            raise
        if small is not None and known is not None and known.status == "completed" and known.size == small.size:
            checksum = parse_checksum(known.checksum)
            if checksum is None or checksum.algorithm != "md5":
                return One(item, upload)
            if checksum.value == small.md5:
                return upload.end_present(small, known)
        return One(item, upload, small, kept=0 if small is None else small.kept_bytes)

    def _look_at(self, path: Path, size: int | None, face: Face, room: int) -> SmallFile | None:
        """The file, if it may be opened with others."""
        if size is not None:  # it is compared with the file's by the upload itself
            return None
        if not face.one_put:
            small = look_at(path, ONE_PUT_LIMIT, 0, read=False)
            return small if small is not None and small.size else None
        return look_at(path, self._context.one_put_limit(self._place), room, read=True)
