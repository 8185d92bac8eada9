# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Run one command of a tier: bounded in time, and patient when Ctrl-C asks it to tidy up."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tests.servers.folder import PROJECT

TIMED_OUT = 124
TIDY_UP_SECONDS = 60.0


def run_command(argv: Sequence[str], *, seconds: float, env: Mapping[str, str] | None = None) -> int:
    """Run a command in the project's folder and return its exit code.

    Args:
        argv: the command line.
        seconds: how long it may take; then it is interrupted, killed if that does not help, and 124 is returned.
        env: variables on top of ours.
    """
    process = subprocess.Popen(list(argv), cwd=PROJECT, env=os.environ | dict(env or {}))
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"not done within {seconds:g} s: {' '.join(argv)}", file=sys.stderr)
        process.send_signal(signal.SIGINT)
        _wait_or_kill(process)
        return TIMED_OUT
    except KeyboardInterrupt:
        # Ctrl-C reached the command as well: it stops its servers now.
        _wait_or_kill(process)
        raise


def _wait_or_kill(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(TIDY_UP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
