# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""moto's server: a second opinion on the administration of buckets; it checks neither signatures nor expiry."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from .folder import server_folder
from .process import Daemon, ServerMissingError, accepts_connections, free_port, running
from .s3 import S3Server


@contextmanager
def start(*, min_part_size: int | None = None) -> Iterator[S3Server]:
    """Start a server.

    Args:
        min_part_size: bytes that each part but the last must have; 5 MiB unless given.

    Raises:
        ServerMissingError: moto or its server extra is not installed.
        ServerError: it did not come up.
    """
    if find_spec("moto") is None or find_spec("flask_cors") is None:
        raise ServerMissingError("not installed: moto (pip: moto[server])")
    with server_folder("moto") as folder:
        port = free_port()
        env = {} if min_part_size is None else {"S3_UPLOAD_PART_MIN_SIZE": str(min_part_size)}
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        daemon = Daemon("moto", argv, folder / "log", env=env)
        with running(daemon):
            daemon.wait_ready(lambda: accepts_connections(port))
            yield S3Server(f"http://127.0.0.1:{port}", port, "testing", "testing", "us-east-1", (daemon.pid,))
