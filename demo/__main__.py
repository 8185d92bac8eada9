# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The command line of the demo."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from .processes import DemoError, Supervisor, free_ports, problem_with
from .servers import running
from .settings import PROJECT, Settings

FAILED = 1
USAGE = 2
INTERRUPTED = 130
CHECK_SECONDS = 1.0
STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

DESCRIPTION = """Runs a small Invenio repository with an S3 store and a Celery worker on this machine, uploads a file
straight to the store by oarepo-s3, which it kills half-way and runs again, downloads the file and shows what was asked
of whom. Then it stays up with a page to look at and to upload from, until Ctrl-C. Nothing listens outside of
127.0.0.1."""


class Stopped(BaseException):
    """Somebody wants the demo to end: Ctrl-C, SIGTERM, or the terminal is gone."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit status: 0, 1 after a failure, 2 for a wrong command line."""
    options = parse(argv)
    if problem := problem_with(options.port):
        print(f"Port {options.port} of 127.0.0.1 {problem}; choose another one with --port N.", file=sys.stderr)
        return USAGE
    for number in STOPPING_SIGNALS:
        signal.signal(number, _stop)
    store_port, public_store_port = free_ports(2)
    folder = str(PROJECT / ".demo" / str(options.port))
    settings = Settings(folder, options.port, store_port, public_store_port, options.expiration)
    try:
        return run(settings, once=options.once)
    except Stopped:
        print("\nstopped")
        return INTERRUPTED if options.once else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options ``once``, ``port`` and ``expiration``."""
    parser = argparse.ArgumentParser(prog="./run-demo.sh", description=DESCRIPTION)
    parser.add_argument(
        "--once", action="store_true", help="do not stay; exit with 0 if all went well, otherwise with 1"
    )
    parser.add_argument("--port", type=_port, default=5000, metavar="N", help="TCP port of Invenio (default: 5000)")
    parser.add_argument(
        "--expiration", type=_seconds, default=3600, metavar="SECONDS", help="life of an upload (default: 3600)"
    )
    return parser.parse_args(argv)


def run(settings: Settings, *, once: bool) -> int:
    """Start everything, show the way of a file, and stay unless ``once``."""
    # It imports Invenio, which takes a second; --help and a port in use need not wait for it.
    from .api import TransferError
    from .walkthrough import Walkthrough

    print("Starting an S3 store, Invenio and Celery ...", flush=True)
    began = time.monotonic()
    try:
        with running(settings) as (supervisor, proxy):
            print(f"Invenio        {settings.url}/")
            print(f"S3 store       {settings.public_store_url}, behind a proxy that counts")
            Walkthrough(settings, proxy).run()
            print(f"\n{time.monotonic() - began:.1f} s in all", flush=True)
            if not once:
                stay(settings, supervisor)
    except (DemoError, TransferError) as error:
        print(f"\nFAILED: {error}\nLogs are in {settings.folder}", file=sys.stderr)
        return FAILED
    print("OK")
    return 0


def stay(settings: Settings, supervisor: Supervisor) -> None:
    """Wait until somebody stops us.

    Raises:
        DemoError: a server has ended by itself.
    """
    print(f"\nLook at it      {settings.url}/", f"Upload from it  {settings.url}/#token={settings.token}", sep="\n")
    print(f"Token           {settings.token}\n\nCtrl-C stops everything.", flush=True)
    while True:
        supervisor.check()
        time.sleep(CHECK_SECONDS)


def _stop(number: int, _frame: FrameType | None) -> None:
    # What follows is the end; another Ctrl-C must not interrupt it.
    for other in STOPPING_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise Stopped


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError("has to be between 1 and 65535")
    return number


def _seconds(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
