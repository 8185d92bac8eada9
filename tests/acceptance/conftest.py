# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The demo as people run it: a process of its own, asked over HTTP."""

import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers.folder import PROJECT, run_folder
from tests.servers.process import Daemon, free_port

DEMO = (sys.executable, "-m", "demo")
START_SECONDS = 120.0


@dataclass(frozen=True)
class RunningDemo:
    """A demo that has shown its file and stays up."""

    port: int
    token: str
    daemon: Daemon
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def folder(self) -> Path:
        return state_folder(self.port)

    def ask(self, method: str, path: str, *, token: str | None = None, **options: Any) -> requests.Response:
        """Send a request with the token of the run, or another one."""
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return requests.request(method, self.url + path, headers=headers, allow_redirects=False, timeout=30, **options)


def state_folder(port: int) -> Path:
    """Where the demo on this port keeps its state."""
    return PROJECT / ".demo" / str(port)


def processes_of(folder: Path) -> dict[int, str]:
    """Living processes of the groups that a demo has recorded as started by it, by id, with their command lines."""
    groups = {line.split()[0] for line in (folder / "pids").read_text().splitlines()}
    assert groups
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if fields[0] not in "ZX" and fields[2] in groups:
                found[int(path.name)] = (path / "cmdline").read_text(errors="replace").replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@contextmanager
def run_demo(*options: str) -> Iterator[RunningDemo]:
    """Start a demo that stays, and stop it by Ctrl-C at the end; after an error its logs stay for a look."""
    port = free_port()
    log = run_folder() / f"demo-{port}.log"
    daemon = Daemon("demo", [*DEMO, "--port", str(port), *options], log, stop_signal=signal.SIGINT)
    try:
        daemon.wait_ready(lambda: "Ctrl-C stops everything" in log.read_text(), seconds=START_SECONDS)
        token = re.search(r"^Token +(\S+)$", log.read_text(), re.MULTILINE)
        assert token is not None
        yield RunningDemo(port, token[1], daemon, log)
    finally:
        daemon.stop()
    shutil.rmtree(state_folder(port))


@pytest.fixture(scope="session")
def demo() -> Iterator[RunningDemo]:
    """A demo for all tests that do not stop it."""
    with run_demo() as running:
        yield running


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[str, int], Path]:
    """Make a file with a name and a size in bytes; no two parts of it are alike."""

    def make(name: str, size: int) -> Path:
        path = tmp_path / name
        block = bytes(range(256)) * 4096
        data = b"".join(number.to_bytes(8) + block for number in range(size // len(block) + 1))
        path.write_bytes(data[:size])
        return path

    return make
