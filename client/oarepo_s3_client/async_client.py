# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The client with tasks of asyncio."""

import asyncio
import builtins
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

import httpx

from oarepo_s3_client import api, reading
from oarepo_s3_client.connections import http_options, tls_context
from oarepo_s3_client.downloads import Download
from oarepo_s3_client.events import Event
from oarepo_s3_client.flows import Flow
from oarepo_s3_client.many import ManyUploads
from oarepo_s3_client.records import abort, delete, list_files, make_context, resumed, status
from oarepo_s3_client.tasks import TaskRunner
from oarepo_s3_client.uploads import Upload

T = TypeVar("T")


class AsyncClient:
    """Uploads and downloads files of records; see ``Client`` for the same with threads.

    Args:
        options: how transfers are done.
        on_event: is called with each event, by the event loop; it should be quick.

    A ``target`` is the address of a record, such as ``https://host/api/records/<id>/draft``. Every method raises
    ``ClientError``. Tasks of one event loop may share a client.
    """

    def __init__(self, options: api.Options | None = None, *, on_event: Callable[[Event], None] | None = None):
        self.options = options or api.Options()
        self._on_event, self._loop = on_event, asyncio.get_running_loop()
        self._thread = threading.get_ident()
        context = tls_context(self.options.ca_bundle)
        self._context = make_context(self.options, self._emit, context)
        self._http = httpx.AsyncClient(**http_options(self.options, context))
        self._runner = TaskRunner(self.options, self._http)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        self._runner.close()
        await self._http.aclose()
        self._context.close()

    async def upload(
        self,
        source: api.Source,
        target: str,
        key: str | None = None,
        *,
        size: int | None = None,
        cancel: api.Cancel | None = None,
    ) -> api.Uploaded:
        """Upload a file, or go on with an upload of it.

        Args:
            source: path, or object to read from, from its beginning if it can be sought.
            target: address of the record.
            key: name of the file in the record; the path's own name, in composed form (NFC), if None.
            size: bytes; needed for a stream that cannot be sought.
            cancel: stops it; what has arrived stays.
        """
        cancel = cancel or api.Cancel()
        upload = Upload(self._context, api.UploadItem(source, key, size), target, cancel)
        return await self._runner.run(upload.run(), target, cancel)

    async def upload_many(
        self,
        items: Iterable[api.UploadItem],
        target: str,
        *,
        on_error: Literal["raise", "skip"] = "raise",
        cancel: api.Cancel | None = None,
    ) -> api.Report:
        """Upload files as they come out of ``items``, several at a time.

        Args:
            items: taken as they are needed, a few hundred ahead of what has arrived, by one thread at a time.
            target: address of the record.
            on_error: ``raise`` stops at the first error; ``skip`` notes it and goes on, unless nothing could go on.
            cancel: stops it; what has arrived stays.
        """
        cancel = cancel or api.Cancel()
        many = ManyUploads(self._context, items, target, on_error, api.Cancel())
        await self._runner.run(many.begin(), target, cancel)
        await self._runner.run_many(many, target, cancel)
        if many.error is not None:
            raise many.error
        return many.report

    async def download(
        self, target: str, key: str, destination: str | Path, *, cancel: api.Cancel | None = None
    ) -> api.Downloaded:
        """Download a file, or go on with it; compared with the repository's checksum, if it has one.

        Args:
            target: address of the record.
            key: of the file.
            destination: path, or a folder that is there.
            cancel: stops it; what has come stays.
        """
        cancel = cancel or api.Cancel()
        download = Download(self._context, target, key, Path(destination), cancel)
        return await self._runner.run(download.run(), target, cancel)

    async def resume(self, transfer: str, *, cancel: api.Cancel | None = None) -> api.Uploaded | api.Downloaded:
        """Go on with a transfer in the journal, named by its id or its path."""
        cancel = cancel or api.Cancel()
        target, flow = resumed(self._context, transfer, cancel)
        return await self._runner.run(flow, target, cancel)

    def transfers(self) -> list[api.TransferInfo]:
        """Unfinished transfers in the journal; asks no server."""
        return self._context.journal.infos()

    def forget(self, transfer: str) -> None:
        """Remove a transfer from the journal; asks no server. What has arrived stays until the upload expires."""
        self._context.journal.remove(self._context.journal.find(transfer).transfer)

    async def status(self, target: str, key: str) -> api.UploadStatus:
        """The upload of a file at the server."""
        return await self._run(status(self._context, target, key), target)

    async def abort(self, target: str, key: str) -> None:
        """Abort the pending upload of a file; what has arrived of it is dropped."""
        return await self._run(abort(self._context, target, key), target)

    async def delete(self, target: str, key: str) -> None:
        """Delete a file."""
        return await self._run(delete(self._context, target, key), target)

    async def list(self, target: str) -> list[api.FileInfo]:
        """Files of a record."""
        return await self._run(list_files(self._context, target), target)

    async def read(
        self, target: str, key: str, start: int = 0, length: int | None = None, *, size: int | None = None
    ) -> bytes:
        """Bytes of a file, into memory; fewer than ``length`` at its end. ``size`` spares asking for the list."""
        return await self._run(reading.read(self._context, target, key, start, length, size), target)

    async def verify(self, target: str, key: str, path: str | Path) -> api.Verification:
        """Compare a local file with a record's file by checksum."""
        return await self._run(reading.verify(self._context, target, key, Path(path)), target)

    async def doctor(self, target: str) -> builtins.list[api.Check]:
        """Look for what would make an upload fail; changes nothing."""
        return await self._run(reading.Doctor(self._context, target).run(), target)

    async def _run(self, flow: Flow[T], target: str) -> T:
        return await self._runner.run(flow, target, api.Cancel())

    def _emit(self, event: Event) -> None:
        if self._on_event is None:
            return
        if threading.get_ident() == self._thread:
            self._on_event(event)
        else:
            self._loop.call_soon_threadsafe(self._on_event, event)
