# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Commands about the journal of this machine: ``list`` and ``pause``."""

import os
import signal
import time

import click

from oarepo_s3_client.api import TransferInfo
from oarepo_s3_client.cli import journal_choice
from oarepo_s3_client.cli.options import output_options
from oarepo_s3_client.cli.session import Session, command
from oarepo_s3_client.cli.texts import duration_text, percent, printable, size_text, table
from oarepo_s3_client.errors import ClientError, NotFound, UsageError

WAIT_SECONDS = 30.0
"""How long a process may take to stop: it may be in the middle of an answer."""

POLL_SECONDS = 0.1


@click.command(name="list")
@output_options
@command
def list_transfers(session: Session) -> None:
    """List the unfinished transfers of this machine."""
    known = sorted(journal_choice.choose(session, ()), key=lambda one: one.updated_at, reverse=True)
    if not known:
        session.notice("nothing_unfinished", "No transfer is unfinished.")
        return
    head = ("TRANSFER", "KIND", "DONE", "SIZE", "STATE", "FILE", "RECORD")
    lines = table([head, *map(_row, known)], right=frozenset({2, 3}))
    session.heading(lines[0])
    for one, line in zip(known, lines[1:], strict=True):
        facts = {"target": one.target, "size": one.size, "done_bytes": one.done_bytes, "updated_at": one.updated_at}
        facts |= {"transfer": one.transfer, "kind": one.kind, "path": one.path, "key": one.key}
        session.result(line, "transfer", running_pid=one.running_pid, **facts)


def _row(one: TransferInfo) -> tuple[str, ...]:
    running = one.running_pid is not None
    state = "running" if running else f"stopped {duration_text(max(0.0, time.time() - one.updated_at))} ago"
    done = f"{percent(one.done_bytes, one.size)} %"
    return one.transfer, one.kind, done, size_text(one.size), state, printable(one.path), one.target


@click.command()
@click.argument("transfers", nargs=-1, metavar="[TRANSFER]...", shell_complete=journal_choice.complete)
@output_options
@command
def pause(session: Session, transfers: tuple[str, ...]) -> None:
    """Stop transfers that run on this machine, as Ctrl-C does; `oarepo-s3 resume` goes on with them.

    TRANSFER is an id from `oarepo-s3 list`, or the path of the local file. Without one, all that run are stopped. A
    process that transfers several files stops as a whole.
    """
    if os.name != "posix":
        raise UsageError("Transfers cannot be stopped from outside here.", hint="Press Ctrl-C where they run.")
    running = [one for one in journal_choice.choose(session, transfers) if one.running_pid is not None]
    if not running:
        raise NotFound("No such transfer is running.", hint="`oarepo-s3 list` shows what is.")
    for process in sorted({one.running_pid for one in running if one.running_pid is not None}):
        _ask_to_stop(process)
    _wait_until_stopped(session, {one.transfer for one in running})
    for one in running:
        text = f"paused {printable(one.path)}; go on with `oarepo-s3 resume {one.transfer}`"
        session.result(text, "paused", transfer=one.transfer, key=one.key)


def _ask_to_stop(process: int) -> None:
    try:
        os.kill(process, signal.SIGTERM)
    except ProcessLookupError:  # it has ended since: stopped is what it was to be
        return
    except PermissionError as error:
        raise ClientError(f"Process {process} belongs to another user.") from error


def _wait_until_stopped(session: Session, transfers: set[str]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        known = journal_choice.choose(session, ())
        if not any(one.transfer in transfers and one.running_pid is not None for one in known):
            return
        if time.monotonic() > deadline:
            raise ClientError(f"It still runs after {WAIT_SECONDS:.0f} s.", hint="Wait, or press Ctrl-C where it runs.")
        time.sleep(POLL_SECONDS)
