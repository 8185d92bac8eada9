# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Starts the servers of the demo, watches them and ends exactly those."""

import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

POLL_SECONDS = 0.05
START_SECONDS = 60.0
STOP_SECONDS = 10.0
LOG_TAIL_BYTES = 3000
PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>: which signal a process gets when its parent dies."""


class DemoError(RuntimeError):
    """The demo cannot go on; the message says why."""


def problem_with(port: int) -> str | None:
    """Say why a server could not listen on a TCP port of 127.0.0.1, or None if it could."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        return None


def free_ports(count: int) -> list[int]:
    """Return different TCP ports of 127.0.0.1 that nobody listens on at the moment."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def accepts_connections(port: int) -> bool:
    """Tell whether somebody listens on a TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Supervisor:
    """Processes in groups of their own, so that Ctrl-C in the terminal reaches only us, and we end them in order."""

    def __init__(self, logs: Path) -> None:
        """Keep logs and the list of process ids in the folder ``logs``."""
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, ready: Callable[[], bool]
    ) -> None:
        """Start a process and wait until it is ready.

        Args:
            name: what messages and its log call it.
            argv: the command line.
            env: variables on top of ours.
            cwd: the folder to run in.
            ready: tells whether it serves.

        Raises:
            DemoError: it ended, or was not ready within a minute.
        """
        with self._log(name).open("ab") as output:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        self._processes[name] = process
        with (self._logs / "pids").open("a", encoding="utf-8") as pids:
            pids.write(f"{process.pid} {name}\n")
        self._wait_ready(name, ready)

    def check(self) -> None:
        """Look whether all processes still run.

        Raises:
            DemoError: one has ended by itself; the message shows the end of its log.
        """
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise DemoError(f"{name} ended with {process.returncode}{self._log_tail(name)}")

    def stop(self) -> None:
        """End the processes, the last started first: ask, wait at most 10 s, then kill what is left of its group."""
        while self._processes:
            _, process = self._processes.popitem()
            if process.poll() is None:
                process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            # The group is ours alone: it holds nobody but this process and its children.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _wait_ready(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(f"{name} was not ready within {START_SECONDS:g} s{self._log_tail(name)}")
            time.sleep(POLL_SECONDS)
        self.check()

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _log_tail(self, name: str) -> str:
        text = self._log(name).read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
        return f"\n--- {self._log(name)} ends with:\n{text}"


def _end_with_parent() -> None:
    """Let the kernel end this process should the demo be killed without a chance to tidy up."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
