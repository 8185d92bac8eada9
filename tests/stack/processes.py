# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Which process of ours holds a connection, and servers that can be killed and started again."""

import os
import pwd
import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.servers.process import Daemon, ServerError, is_alive, wait_until

STOP_SECONDS = 30.0
START_SECONDS = 60.0


def children_of(pid: int) -> list[int]:
    """Return the ids of a process's living children."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended since the folder was read
            continue
    return [child for child in found if is_alive(child)]


def owner_of_port(port: int, pids: Iterable[int]) -> int:
    """Return which of the processes holds the TCP connection that comes from this port of 127.0.0.1.

    Raises:
        ServerError: none of them does.
    """
    inodes = _inodes_of_port(port)
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(descriptor)
            except FileNotFoundError:  # closed since the folder was read
                continue
            if target in inodes:
                return pid
    raise ServerError(f"no process of ours holds the connection from port {port}")


def _inodes_of_port(port: int) -> set[str]:
    """The sockets whose local port this is; see proc_pid_net(5): local address is field 2, inode field 10."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = (line.split() for line in lines)
    return {f"socket:[{field[9]}]" for field in fields if int(field[1].rpartition(":")[2], 16) == port}


def kill(pid: int) -> None:
    """End a process as a crash would, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), seconds=STOP_SECONDS, what=f"process {pid} was not gone")


class Restartable:
    """A server process of somebody else's making, which this one can end hard and start again as it was."""

    def __init__(
        self, name: str, pid: int, log: Path, ready: Callable[[], bool], argv: Sequence[str] | None = None
    ) -> None:
        """Remember how the process was started.

        Args:
            name: what error texts call it.
            pid: the running process, leader of a session of its own.
            log: where the output of the next one goes.
            ready: tells whether it serves again.
            argv: its command line, for a process that shows another one than it was started with.
        """
        self.name = name
        self.pid = pid
        self._log = log
        self._ready = ready
        self._argv = argv or Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        lines = Path(f"/proc/{pid}/environ").read_bytes().decode().rstrip("\0").split("\0")
        self._env = dict(line.split("=", 1) for line in lines if "=" in line)
        owner = Path(f"/proc/{pid}").stat().st_uid
        self._user = None if owner == os.geteuid() else pwd.getpwuid(owner).pw_name
        self._daemon: Daemon | None = None

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, with the whole of its group, and wait until it is gone."""
        os.killpg(self.pid, number)
        wait_until(lambda: not is_alive(self.pid), seconds=STOP_SECONDS, what=f"{self.name} was not gone")

    def start(self) -> None:
        """Start it again."""
        if self._daemon is not None:
            self._daemon.stop()  # reaps the one that is dead, and what is left of its group
        self._daemon = Daemon(self.name, self._argv, self._log, env=self._env, user=self._user)
        self.pid = self._daemon.pid

    def wait_ready(self) -> None:
        """Wait until it serves."""
        if self._daemon is not None:
            self._daemon.wait_ready(self._ready, seconds=START_SECONDS)

    def restart(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, start it again and wait until it serves."""
        self.end(number)
        self.start()
        self.wait_ready()

    def stop(self) -> None:
        """End the one that we have started; the first one is for its own launcher to end."""
        if self._daemon is not None:
            self._daemon.stop()
