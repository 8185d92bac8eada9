# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Many files: a stream of items, some at a time, one bad file does not stop the others."""

import threading
from collections.abc import Iterable, Iterator
from typing import Literal

from oarepo_s3_client import api
from oarepo_s3_client.errors import ClientError, Interrupted, NotAuthorised
from oarepo_s3_client.flows import Context, Flow
from oarepo_s3_client.servers.discovery import target_of
from oarepo_s3_client.uploads import Upload


class ManyUploads:
    """Hands out uploads, one after the other, to whoever asks; thread-safe.

    Args:
        context: of the client.
        items: are taken as they are needed.
        target: address of the record.
        on_error: ``raise`` stops at the first error, ``skip`` notes it and goes on.
        cancel: stops it.
    """

    def __init__(
        self,
        context: Context,
        items: Iterable[api.UploadItem],
        target: str,
        on_error: Literal["raise", "skip"],
        cancel: api.Cancel,
    ):
        self._context, self._target, self._on_error, self._cancel = context, target, on_error, cancel
        self._items: Iterator[api.UploadItem] = iter(items)
        self._lock = threading.Lock()
        self._files: dict[str, api.FileInfo] = {}
        self.report = api.Report()
        self.error: BaseException | None = None

    def begin(self) -> Flow[None]:
        """Ask once which files the record has."""
        _, files = yield from self._context.discover(target_of(self._target), self._context.asking("", ""))
        self._files = {info.key: info for info in files}

    def take(self) -> tuple[api.UploadItem, Upload] | None:
        """The next one; None if there are no more, or something has ended it all."""
        while True:
            with self._lock:
                if self.error is not None:
                    return None
                try:
                    item = next(self._items, None)
                except Exception as error:  # of the caller's own iterator: it goes back to the caller
                    self.error = error
                    return None
            if item is None:
                return None
            if self._cancel.cancelled:
                self.settle(item, Interrupted("Interrupted; what has arrived stays."))
                return None
            try:
                return item, Upload(self._context, item, self._target, self._cancel, self._files.get)
            except ClientError as error:
                self.settle(item, error)

    def settle(self, item: api.UploadItem, outcome: api.Uploaded | BaseException) -> None:
        """Note what became of an item."""
        with self._lock:
            if isinstance(outcome, api.Uploaded):
                self.report.uploaded.append(outcome)
            elif isinstance(outcome, ClientError) and not self._ends_all(outcome):
                self.report.failed.append((item, outcome))
            else:
                self.error = self.error or outcome

    def end(self, error: BaseException) -> None:
        """Hand out nothing more."""
        with self._lock:
            self.error = self.error or error

    def _ends_all(self, error: ClientError) -> bool:
        return self._on_error == "raise" or isinstance(error, Interrupted | NotAuthorised)
