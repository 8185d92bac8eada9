# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Start, await and stop one server process; remember its id for whoever has to tidy up."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .folder import run_folder

POLL_SECONDS = 0.02
STOP_SECONDS = 15.0
LOG_TAIL_BYTES = 4000

_ENVIRONMENT_NOT_HANDED_DOWN = ("COVERAGE", "PYTEST", "PYTHON", "PG", "AWS_", "VIRTUAL_ENV")


class ServerError(RuntimeError):
    """A server did not start, did not answer in time or ended by itself."""


class ServerMissingError(ServerError):
    """The program of a server is not installed."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_time(pid: int) -> str | None:
    """Return the kernel's start time of a living process in clock ticks, None for a dead one or a zombie.

    Together with the id it names a process for good: ids are used again, pairs are not. See proc_pid_stat(5), field 22;
    the fields are counted after the program's name, which may hold spaces and brackets.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie counts as dead."""
    return start_time(pid) is not None


def wait_until(ready: Callable[[], bool], *, seconds: float, what: str, log: Path | None = None) -> None:
    """Poll until ``ready()`` is true.

    Raises:
        ServerError: not ready within ``seconds``; the text ends with the tail of ``log``.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise ServerError(f"{what} within {seconds:g} s{log_tail(log)}")
        time.sleep(POLL_SECONDS)


def log_tail(log: Path | None) -> str:
    """Return the end of a log for an error text, empty when there is none."""
    if log is None or not log.exists():
        return ""
    return f"\n--- {log} ends with:\n" + log.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")


def accepts_connections(port: int) -> bool:
    """Tell whether somebody listens on a TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a server: ours without what steers Python, coverage, libpq and the AWS SDK."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_ENVIRONMENT_NOT_HANDED_DOWN)}
    return kept | dict(extra or {})


def _coverage_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}


def _identity(user: str | None) -> dict[str, Any]:
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def run(argv: Sequence[str], *, user: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a set-up command to its end and return what it printed to standard output.

    Raises:
        ServerError: it failed or took longer than a minute; the text holds its output.
    """
    try:
        done = subprocess.run(
            list(argv), env=clean_environment(env), capture_output=True, text=True, timeout=60, **_identity(user)
        )
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"{argv[0]} did not end within 60 s: {error.stderr!r}") from error
    if done.returncode:
        raise ServerError(f"{' '.join(argv)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


class Daemon:
    """One server process of ours, in a session of its own, its output in a log file."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        measured: bool = False,
    ) -> None:
        """Start the process.

        Args:
            name: what error texts call it.
            argv: the command line.
            log: where standard output and error go, appended.
            env: variables on top of ours.
            user: the system user to become; only root can.
            stop_signal: what asks the process to end.
            measured: whether coverage measures the process as it does us: for servers that run the package.
        """
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean_environment((_coverage_environment() if measured else {}) | dict(env or {})),
                start_new_session=True,
                **_identity(user),
            )
        self.pid = self._process.pid
        with (run_folder() / "pids").open("a", encoding="utf-8") as pids:
            pids.write(f"{self.pid} {start_time(self.pid)} {name}\n")

    def wait_ready(self, ready: Callable[[], bool], *, seconds: float = 30.0) -> None:
        """Wait until ``ready()`` is true.

        Raises:
            ServerError: the process ended before, or was not ready in time; the text ends with the tail of its log.
        """

        def ready_or_dead() -> bool:
            if self._process.poll() is not None:
                raise ServerError(f"{self.name} ended with {self._process.returncode}{log_tail(self.log)}")
            return ready()

        wait_until(ready_or_dead, seconds=seconds, what=f"{self.name} was not ready", log=self.log)

    def stop(self) -> None:
        """End the process: ask, wait at most 15 s, then kill it and what is left of its session."""
        if self._process.poll() is None:
            self._process.send_signal(self._stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        # The session is ours alone, so its group holds nobody but children of this process.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)


@contextmanager
def running(*daemons: Daemon) -> Iterator[None]:
    """Stop the daemons at the end, the last started first."""
    try:
        yield
    finally:
        for daemon in reversed(daemons):
            daemon.stop()
