# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Run one server in the foreground: ``python -m tests.servers NAME`` prints its settings as JSON."""

import argparse
import dataclasses
import importlib
import json
import signal
import sys
from types import FrameType

from .process import ServerError

NAMES = ("ceph", "moto", "postgres", "rabbitmq", "rclone", "redis", "swift")


def main() -> int:
    """Start the named server, print one JSON object, wait for Ctrl-C or SIGTERM and stop it again."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    module = importlib.import_module(f".{parser.parse_args().name}", __package__)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with module.start() as server:
            print(json.dumps(dataclasses.asdict(server), default=str), flush=True)
            try:
                signal.pause()
            except KeyboardInterrupt:
                print("stopping", file=sys.stderr)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
