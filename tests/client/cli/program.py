# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The program ``oarepo-s3`` as a process of its own, as people and their scripts run it."""

import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.client.cli.schema import validated
from tests.servers.process import clean_environment

PROGRAM = str(Path(sys.executable).with_name("oarepo-s3"))
SECONDS = 600.0


@dataclass(frozen=True)
class Program:
    """Runs the program for one user.

    Attributes:
        home: folder that holds the user's state and configuration.
        environment: variables beside those of us.
    """

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        """The environment of the processes."""
        measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
        own = {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "OAREPO_S3_STATE_DIR": str(self.home / "state"),
            "TERM": "xterm",
            "COLUMNS": "100",
        }
        return clean_environment({**measured, **own, **self.environment})

    def with_environment(self, **variables: str) -> "Program":
        """The same with more variables."""
        return Program(self.home, {**self.environment, **variables})

    def run(self, *argv: Any, code: int = 0, stdin: bytes = b"") -> "Done":
        """Run it to its end, without a terminal; it has to end with this code."""
        done = subprocess.run(
            [PROGRAM, *map(str, argv)], env=self.variables(), input=stdin, capture_output=True, timeout=SECONDS
        )
        ended = Done(done.returncode, done.stdout, done.stderr.decode())
        assert done.returncode == code, f"{done.returncode}\n{done.stdout.decode()[-3000:]}\n{ended.err[-3000:]}"
        return ended

    def start(self, *argv: Any) -> "Running":
        """Begin to run it, without a terminal."""
        process = subprocess.Popen(
            [PROGRAM, *map(str, argv)],
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        return Running(process)

    def on_terminal(self, *argv: Any) -> "Terminal":
        """Begin to run it on a terminal of 100 columns."""
        return Terminal([PROGRAM, *map(str, argv)], self.variables())


@dataclass(frozen=True)
class Done:
    """How a process has ended, and what it has printed."""

    code: int
    content: bytes
    err: str

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.content.decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of ``--json``, each valid by the schema."""
        return [validated(json.loads(line)) for line in self.out.splitlines()]

    def of_type(self, name: str) -> list[dict[str, Any]]:
        """Those of a type."""
        return [line for line in self.lines if line["type"] == name]


class Running:
    """A process that runs."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.communicate(timeout=SECONDS)

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read lines of ``--json`` until one is as wanted."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = validated(json.loads(line))
            if wanted(event):
                return event
        raise AssertionError(f"it ended: {self.done()}")

    def signal(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def done(self) -> Done:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=SECONDS)
        return Done(self.process.returncode, out, err.decode())


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, argv: list[str], environment: Mapping[str, str]) -> None:
        self._near, far = pty.openpty()
        self._open = True
        self.process = subprocess.Popen(
            argv, env=dict(environment), stdin=far, stdout=far, stderr=far, start_new_session=True
        )
        os.close(far)
        self.shown = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.wait(SECONDS)
        self.hang_up()

    def hang_up(self) -> None:
        """Close the window; the process goes on, as one that was detached from it."""
        if self._open:
            os.close(self._near)
        self._open = False

    def write(self, text: str) -> None:
        """Type something; Ctrl-C is ``\\x03``."""
        os.write(self._near, text.encode())

    def wait_for(self, text: str) -> None:
        """Read until the text has been shown."""
        deadline = time.monotonic() + SECONDS
        while text.encode() not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if not self._read(0.5) and self.process.poll() is not None:
                raise AssertionError(f"it ended: {self.shown.decode()}")

    def done(self) -> int:
        """Read to the end, and return the exit code."""
        deadline = time.monotonic() + SECONDS
        while self._read(0.1) or self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
        return self.process.wait(SECONDS)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._near], [], [], seconds)
        if not ready:
            return False
        try:
            block = os.read(self._near, 1 << 16)
        except OSError:  # nobody has the other end open any more
            return False
        self.shown += block
        return bool(block)


SLOW = ("--limit-rate", "6MiB", "--parallel", "2")
"""Options that make a transfer slow enough for a test to come in between."""


def md5(path: Path) -> str:
    """MD5 of a local file."""
    return hashlib.md5(path.read_bytes()).hexdigest()


def fetched(program: Program, target: str, key: str) -> str:
    """MD5 of a record's file, as it is downloaded."""
    path = program.home / "fetched" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    program.run("download", "-q", target, key, "-o", path)
    found = md5(path)
    path.unlink()
    return found
