# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Redis, which keeps nothing on disk here."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .folder import server_folder
from .process import Daemon, ServerMissingError, accepts_connections, free_port, running


@dataclass(frozen=True)
class RedisServer:
    """A running Redis.

    Attributes:
        endpoint: URL of its first database, for Celery's broker or result backend.
        port: its TCP port.
        pids: id of its process.
    """

    endpoint: str
    port: int
    pids: tuple[int, ...]


@contextmanager
def start() -> Iterator[RedisServer]:
    """Start a server.

    Raises:
        ServerMissingError: Redis is not installed.
        ServerError: it did not come up.
    """
    if shutil.which("redis-server") is None:
        raise ServerMissingError("not installed: redis-server (apt: redis-server)")
    with server_folder("redis") as folder:
        port = free_port()
        argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        daemon = Daemon("redis", argv, folder / "log")
        with running(daemon):
            daemon.wait_ready(lambda: accepts_connections(port))
            yield RedisServer(f"redis://127.0.0.1:{port}/0", port, (daemon.pid,))
