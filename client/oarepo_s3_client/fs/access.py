# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What the filesystem does with the client."""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from oarepo_s3_client.api import FileInfo, Options
from oarepo_s3_client.client import Client
from oarepo_s3_client.errors import ClientError, NotFound, Refused, UsageError
from oarepo_s3_client.events import Event, Finished, Progress, Started
from oarepo_s3_client.fs.os_errors import as_os_errors

TOKEN_VARIABLE = "OAREPO_S3_TOKEN"


@dataclass
class Follower:
    """Hears of one transfer.

    Attributes:
        callback: fsspec's; is told sizes in bytes.
        opened: whether the transfer has begun with nothing there before, so that what is there is its own.
    """

    callback: Any
    opened: bool = False

    def hear(self, event: Event) -> None:
        """Pass on what has happened."""
        if isinstance(event, Started):
            self.opened = not event.resumed_bytes
            self.callback.set_size(event.size)
        elif isinstance(event, Progress):
            self.callback.absolute_update(event.bytes)
        elif isinstance(event, Finished):
            self.callback.set_size(event.size)
            self.callback.absolute_update(event.size)


class Access:
    """Access to the files of one record; threads may share it.

    Args:
        record: address of the record.
        token: for the repository; None for the one in the environment, empty for none.
        options: of the client, by name.

    Attributes:
        parallel: how much is done at a time.

    Every method raises ``OSError``, see ``as_os_errors``.
    """

    def __init__(self, record: str, token: str | None, options: Mapping[str, Any]):
        self.record, self._token = record, token
        self._fields = dict(options)
        if "state_dir" in options:
            self._fields["state_dir"] = Path(options["state_dir"])
        try:
            self.parallel = Options(**self._fields).parallel
        except UsageError as error:
            raise ValueError(error.message) from error
        self._made: tuple[int, Client] | None = None
        self._followers: dict[str, Follower] = {}

    @property
    def client(self) -> Client:
        """The client of this process: connections and threads do not outlive a fork, and tokens are renewed."""
        token = (os.environ.get(TOKEN_VARIABLE, "").strip() if self._token is None else self._token) or None
        made, process = self._made, os.getpid()
        if made is None or made[0] != process or made[1].options.token != token:
            # Of two threads that come here at once, each gets a client that works; the last one made stays.
            self._made = made = process, Client(Options(token=token, **self._fields), on_event=self._hear)
        return made[1]

    def files(self) -> list[FileInfo]:
        """All files of the record."""
        with as_os_errors(self.record):
            return self.client.list(self.record)

    def read(self, key: str, start: int, length: int | None, size: int | None) -> bytes:
        """Bytes of a file; fewer at its end. With its size known, nothing is listed."""
        with as_os_errors(key):
            return self.client.read(self.record, key, start, length, size=size)

    def delete(self, key: str) -> None:
        """Delete a file."""
        with as_os_errors(key):
            self.client.delete(self.record, key)

    def download(self, key: str, path: str, callback: Any) -> None:
        """Download into a file, or go on with it."""
        with as_os_errors(key), self._following(key, callback):
            self.client.download(self.record, key, path)

    def upload(self, path: str, key: str, callback: Any) -> None:
        """Upload a file, or go on with it."""
        with self._sending(key), self._following(key, callback):
            self.client.upload(path, self.record, key)

    def store(self, stream: BinaryIO, key: str, callback: Any) -> None:
        """Upload what nobody could send again: after a failure nothing is left of it."""
        with self._sending(key), self._following(key, callback) as follower:
            try:
                self.client.upload(stream, self.record, key)
            except BaseException:
                if follower.opened:
                    with suppress(ClientError):  # the error that counts is under way; what is left will expire
                        self.client.abort(self.record, key)
                raise

    def fetch(self, key: str, folder: Path, callback: Any) -> Path:
        """Download into a folder that will not last."""
        path = folder / "file"
        try:
            self.download(key, str(path), callback)
        except BaseException:
            with suppress(NotFound):  # no note was made of it
                self.client.forget(str(path))
            raise
        return path

    @contextmanager
    def _following(self, key: str, callback: Any) -> Iterator[Follower]:
        follower = self._followers[key] = Follower(callback)
        try:
            yield follower
        finally:
            self._followers.pop(key, None)

    def _hear(self, event: Event) -> None:
        follower = self._followers.get(getattr(event, "key", None) or "")
        if follower is not None:
            follower.hear(event)

    @contextmanager
    def _sending(self, key: str) -> Iterator[None]:
        try:
            with as_os_errors(key):
                yield
        except OSError as error:
            refusal = error.__cause__
            # InvenioRDM replaces no file, and has no code to say so.
            if isinstance(refusal, Refused) and refusal.code == Refused.code and self._has(key):
                raise FileExistsError(errno.EEXIST, error.strerror, key) from refusal
            raise

    def _has(self, key: str) -> bool:
        return any(file.key == key and file.status == "completed" for file in self.files())
