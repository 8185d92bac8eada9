# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Runs the command line client ``oarepo-s3`` as a depositor does, and kills it where the demo wants that."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import DemoError
from .settings import Settings
from .store_proxy import StoreProxy

LANES = 2
PART_SIZE = 5 * 2**20
OPTIONS = ("--parallel", str(LANES), "--part-size", "5MiB", "--limit-rate", "48MiB")
"""Slow enough to be watched, and to be killed in the middle."""

SHOW_CURSOR = "\033[?25h"


class Uploader:
    """Uploads one file to one record, however often it is run."""

    def __init__(self, settings: Settings, path: Path, record_url: str) -> None:
        """Do not begin yet.

        Raises:
            DemoError: the client is not installed.
        """
        self.argv = ["oarepo-s3", "upload", str(path), record_url, *OPTIONS]
        self._program = _program()
        self._path = path
        # The token goes in the environment: everybody on the machine may read a command line.
        self._environment = os.environ | {
            "OAREPO_S3_TOKEN": settings.token,
            "OAREPO_S3_STATE_DIR": str(settings.path("client", "state")),
            "OAREPO_S3_CONFIG": str(settings.path("client", "config.toml")),
            "NO_PROXY": "127.0.0.1",
        }

    @property
    def shown(self) -> str:
        """The command line, without the folder of the file."""
        return " ".join(word if word != str(self._path) else self._path.name for word in self.argv)

    def run(self) -> None:
        """Run it to its end.

        Raises:
            DemoError: it has failed.
        """
        with self._running() as process:
            if code := process.wait():
                raise DemoError(f"oarepo-s3 ended with {code}")

    def run_until(self, proxy: StoreProxy, put_bytes: int) -> None:
        """Run it until so many bytes have gone to the store, and kill it then.

        Raises:
            DemoError: it has ended before.
        """
        with self._running() as process:
            while not proxy.wait_for(put_bytes):
                if process.poll() is not None:
                    raise DemoError(f"oarepo-s3 ended with {process.returncode} before half of the file was sent")
        if sys.stdout.isatty():  # it had no chance to leave its bar
            print(SHOW_CURSOR, flush=True)

    @contextmanager
    def _running(self) -> Iterator["subprocess.Popen[bytes]"]:
        # Ctrl-C of the terminal is for us alone.
        process = subprocess.Popen(
            [self._program, *self.argv[1:]], env=self._environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _program() -> str:
    beside_python = Path(sys.executable).parent / "oarepo-s3"
    program = str(beside_python) if beside_python.exists() else shutil.which("oarepo-s3")
    if program is None:
        raise DemoError("the client is not installed (pip install ./client)")
    return program
