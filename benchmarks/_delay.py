# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A proxy in a process of its own that lets each request wait, as a network to a distant store does."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import cast
from urllib.parse import urlsplit


@contextmanager
def delayed(endpoint: str, seconds: float) -> Iterator[str]:
    """The endpoint of a proxy before ``endpoint`` that adds ``seconds`` to each request."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(endpoint, seconds, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join(10)


def _serve(endpoint: str, seconds: float, report: Connection) -> None:
    asyncio.run(_listen(endpoint, seconds, report))


async def _listen(endpoint: str, seconds: float, report: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Accepted(endpoint, seconds), "127.0.0.1", 0)
    report.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


class _Relay(asyncio.Protocol):
    """Passes on what comes, so much later; a request without a body comes in one piece."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.peer: _Relay | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._seconds:
            self._loop.call_later(self._seconds, self._pass_on, data)
        else:
            self._pass_on(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()

    def _pass_on(self, data: bytes) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)


class _Accepted(_Relay):
    """The client's side, which opens the way to the server."""

    def __init__(self, endpoint: str, seconds: float) -> None:
        super().__init__(seconds)
        self._target = urlsplit(endpoint)
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._opening = self._loop.create_task(self._open())

    async def _open(self) -> None:
        upstream = _Relay(0)
        upstream.peer = self
        await self._loop.create_connection(lambda: upstream, self._target.hostname, self._target.port)
        self.peer = upstream
        self.transport.resume_reading()
