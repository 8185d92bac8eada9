# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A proxy in a process of its own that counts what the store sends of its objects' content."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import cast
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Traffic:
    """The proxy: where it is, and how much has been read through it."""

    endpoint: str
    _pipe: Connection

    def read(self) -> int:
        """Bytes of answers to GET of objects since the last call, without their heads."""
        self._pipe.send(None)
        count: int = self._pipe.recv()
        return count


@contextmanager
def counted(endpoint: str) -> Iterator[Traffic]:
    """A proxy before ``endpoint``."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(endpoint, theirs), daemon=True)
    process.start()
    try:
        yield Traffic(f"http://127.0.0.1:{ours.recv()}", ours)
    finally:
        process.terminate()
        process.join(10)


def _serve(endpoint: str, report: Connection) -> None:
    asyncio.run(_listen(endpoint, report))


async def _listen(endpoint: str, report: Connection) -> None:
    counter = _Counter()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(endpoint, counter), "127.0.0.1", 0)
    report.send(server.sockets[0].getsockname()[1])
    loop.add_reader(report.fileno(), counter.answer, report)
    await server.serve_forever()


class _Counter:
    """Bytes that were read of objects."""

    def __init__(self) -> None:
        self.bytes = 0

    def answer(self, report: Connection) -> None:
        """Tell them, and begin again."""
        report.recv()
        report.send(self.bytes)
        self.bytes = 0


class _Store(asyncio.Protocol):
    """What comes from the store, counted while the request was for an object."""

    def __init__(self, client: "_Client") -> None:
        self.client = client
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.writelines(self.client.waiting)

    def data_received(self, data: bytes) -> None:
        self.client.answered(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.client.transport.close()


class _Client(asyncio.Protocol):
    """What comes from who reads: one request after the other, each answered before the next."""

    transport: asyncio.Transport

    def __init__(self, endpoint: str, counter: _Counter) -> None:
        self._target, self._counter = urlsplit(endpoint), counter
        self._store: _Store | None = None
        self._counts = False
        self._head: bytes | None = b""
        self.waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._store = _Store(self)
        connecting = asyncio.get_running_loop().create_connection(
            lambda: cast(_Store, self._store), self._target.hostname, self._target.port
        )
        self._connecting = asyncio.ensure_future(connecting)

    def data_received(self, data: bytes) -> None:
        if self._head is None or not self._counts:
            self._counts, self._head = _reads_object(data), b""
        store = cast(_Store, self._store)
        if store.transport is None:
            self.waiting.append(data)
        else:
            store.transport.write(data)

    def answered(self, data: bytes) -> None:
        """Pass on what the store sends, and count what of it is content."""
        self.transport.write(data)
        if not self._counts:
            return
        if self._head is not None:
            self._head += data
            _, end, content = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = None
            self._counter.bytes += len(content)
        else:
            self._counter.bytes += len(data)

    def connection_lost(self, error: Exception | None) -> None:
        store = cast(_Store, self._store)
        if store.transport is not None:
            store.transport.close()


def _reads_object(request: bytes) -> bool:
    """Whether it is a GET of an object: two segments of a path, and no query that asks for something else."""
    method, _, rest = request.partition(b" ")
    target = urlsplit(rest.partition(b" ")[0].decode("latin-1"))
    key = target.path.strip("/").partition("/")[2]
    return method == b"GET" and bool(key) and "uploadId" not in parse_qs(target.query)
