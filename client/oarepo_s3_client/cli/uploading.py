# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""``upload`` and ``resume``."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Literal

import click

from oarepo_s3_client import events
from oarepo_s3_client.api import Report, TransferInfo, UploadItem
from oarepo_s3_client.cli import folders, journal_choice
from oarepo_s3_client.cli.options import Size, selection_options, upload_options
from oarepo_s3_client.cli.session import Session, command
from oarepo_s3_client.cli.texts import printable, size_text
from oarepo_s3_client.errors import ClientError, UsageError

SOME_FAILED = 3


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("target")
@click.option("--key", metavar="NAME", help="The file's name in the record; for a folder, what goes before the names.")
@click.option("--size", type=Size(), metavar="SIZE", help="How much will come from standard input.")
@selection_options
@upload_options
@command
def upload(session: Session, sources: tuple[str, ...], target: str, key: str | None, size: int | None) -> int:
    """Upload files and folders to a record.

    SOURCE is a file, a folder with --recursive, or - for standard input with --size and --key. TARGET is the record's
    address, such as https://repo.example.org/api/records/abcd-1234/draft.

    Run it again after whatever has stopped it: it goes on where it was, and sends no file that is there already. Links
    to files are followed, links to folders are not. Names are sent with composed letters (NFC).
    """
    target = session.target(target)
    if "-" in sources:
        return _upload_stream(session, sources, target, key, size)
    if size is not None:
        raise UsageError("--size is for standard input.", hint="Leave it out: files have their own size.")
    given = session.given
    began = time.monotonic()
    found, failures = _survey(session, folders.collect(sources, key, given.selection, recursive=given.recursive))
    if given.dry_run:
        return _show_plan(session, found, failures)
    if failures and given.on_error == "stop":
        raise failures[0]
    session.display.expect(len(found) + len(failures), sum(one.size for one in found))
    report = _send(session, found, target) if found else Report()
    failures += [error for _, error in report.failed]
    return _sum_up(session, report, failures, began)


def _survey(
    session: Session, looked_at: Iterable[folders.Found | folders.Trouble | folders.Skipped]
) -> tuple[list[folders.Found], list[ClientError]]:
    """Look through the folders, and say what the user would not expect."""
    found: list[folders.Found] = []
    failures: list[ClientError] = []
    for one in looked_at:
        match one:
            case folders.Found():
                found.append(one)
                if one.renamed:
                    message = "sent with composed letters (NFC); on the disk they are decomposed"
                    session.notice("name_normalised", message, one.key)
            case folders.Trouble():
                session.fail(one.key, one.error)
                failures.append(one.error)
            case folders.Skipped():
                session.notice("folder_link_skipped", "a link to a folder, not followed", one.key)
    if not found and not failures:
        raise UsageError("There is no file to upload.", hint="Look at the folder, --include and --exclude.")
    return found, failures


def _show_plan(session: Session, found: Sequence[folders.Found], failures: Sequence[ClientError]) -> int:
    for one in found:
        text = f"{size_text(one.size):>10}  {printable(one.path)} → {printable(one.key)}"
        session.result(text, "planned", action="upload", path=one.path, key=one.key, size=one.size)
    return exit_code(len(found), failures)


def _send(session: Session, found: Sequence[folders.Found], target: str) -> Report:
    with session.client(target) as client, session.stoppable():
        if len(found) == 1:
            (one,) = found
            return Report([client.upload(one.path, target, one.key, cancel=session.cancel)], [])
        items = (UploadItem(one.path, one.key) for one in found)
        on_error: Literal["skip", "raise"] = "skip" if session.given.on_error == "skip" else "raise"
        return client.upload_many(items, target, on_error=on_error, cancel=session.cancel)


def _upload_stream(session: Session, sources: Sequence[str], target: str, key: str | None, size: int | None) -> int:
    if len(sources) > 1:
        raise UsageError("Standard input cannot be sent together with files.", hint="Send them one after the other.")
    if key is None or size is None:
        raise UsageError("Standard input has neither a name nor a size.", hint="Give --key and --size.")
    if session.given.token_file == "-":
        raise UsageError("Standard input cannot be both the token and the file.")
    key = folders.key_of(key)
    if session.given.dry_run:
        return _show_plan(session, [folders.Found("-", key, size)], [])
    began = time.monotonic()
    session.display.expect(1, size)
    with session.client(target) as client, session.stoppable():
        uploaded = client.upload(sys.stdin.buffer, target, key, size=size, cancel=session.cancel)
    return _sum_up(session, Report([uploaded], []), [], began)


def _sum_up(session: Session, report: Report, failures: Sequence[ClientError], began: float) -> int:
    """Say what is at the other end now; the exit code."""
    sizes = [one.size for one in report.uploaded]
    session.display.event(events.Summary(len(sizes), len(failures), sum(sizes), time.monotonic() - began))
    return exit_code(len(sizes), failures)


def exit_code(done: int, failures: Sequence[ClientError]) -> int:
    """0 if nothing failed; what all failures have in common if all failed; else 3."""
    codes = {failure.exit_code for failure in failures}
    if not codes:
        return 0
    return codes.pop() if not done and len(codes) == 1 else SOME_FAILED


@click.command()
@click.argument("transfers", nargs=-1, metavar="[TRANSFER]...", shell_complete=journal_choice.complete)
@upload_options
@command
def resume(session: Session, transfers: tuple[str, ...]) -> int:
    """Go on with transfers that were stopped.

    TRANSFER is an id from `oarepo-s3 list`, or the path of the local file. Without one, all go on that are not running.
    """
    chosen = journal_choice.choose(session, transfers)
    if not transfers:
        chosen = [one for one in chosen if one.running_pid is None]
    session.check_one_server(one.target for one in chosen)
    if not chosen:
        session.notice("nothing_unfinished", "No transfer waits to go on.")
    began, sizes, failures = time.monotonic(), list[int](), list[ClientError]()
    session.display.expect(len(chosen), sum(one.size for one in chosen))
    with session.stoppable():
        for one in chosen:
            try:
                sizes.append(_go_on(session, one))
            except ClientError as error:
                if session.cancel.cancelled:
                    raise
                session.fail(one.key, error)
                failures.append(error)
    session.display.event(events.Summary(len(sizes), len(failures), sum(sizes), time.monotonic() - began))
    return exit_code(len(sizes), failures)


def _go_on(session: Session, info: TransferInfo) -> int:
    with session.client(info.target) as client:
        return client.resume(info.transfer, cancel=session.cancel).size
