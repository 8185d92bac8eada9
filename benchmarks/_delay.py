# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A proxy in a process of its own that lets each request wait, as a network to a distant store does."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
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
    target = urlsplit(endpoint)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(_pipe(reader, upstream_writer, seconds), _pipe(upstream_reader, writer, 0))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    report.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on what comes; a request without a body comes in one piece."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            await asyncio.sleep(seconds)
            writer.write(data)
            await writer.drain()
    writer.close()
