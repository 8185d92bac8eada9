# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""``download`` and ``cat``."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

import click

from oarepo_s3_client import events
from oarepo_s3_client.api import FileInfo
from oarepo_s3_client.cli.already import is_same
from oarepo_s3_client.cli.display import ALREADY_THERE
from oarepo_s3_client.cli.folders import Selection
from oarepo_s3_client.cli.options import Size, connection_options, selection_options, transfer_options
from oarepo_s3_client.cli.session import Session, command
from oarepo_s3_client.cli.texts import printable, size_text
from oarepo_s3_client.cli.uploading import exit_code
from oarepo_s3_client.errors import ClientError, NotFound, SourceError, UsageError

if TYPE_CHECKING:
    from oarepo_s3_client.client import Client

BLOCK = 8 * 2**20
"""Bytes that ``cat`` reads at a time."""


@click.command()
@click.argument("target")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option(
    "--output",
    "-o",
    metavar="PATH",
    default=".",
    show_default=True,
    help="The folder to put files into, or the name of the only file.",
)
@selection_options
@transfer_options
@command
def download(session: Session, target: str, keys: tuple[str, ...], output: str) -> int:
    """Download files of a record.

    KEY is the name of a file in the record; without one, --recursive takes all. Slashes in names become folders. Run it
    again after whatever has stopped it: it goes on where it was. A file that is here already is compared, and never
    overwritten.
    """
    given, target = session.given, session.target(target)
    if bool(keys) == given.recursive:
        raise UsageError("It is not clear which files are meant.", hint="Give their names, or --recursive for all.")
    began = time.monotonic()
    with session.client(target) as client, session.stoppable():
        chosen = choose(client.list(target), keys, given.selection)
        fetcher = Fetcher(session, client, target, output, many=given.recursive or len(keys) > 1)
        if given.dry_run:
            fetcher.show(chosen)
            return 0
        session.display.expect(len(chosen), sum(one.size or 0 for one in chosen))
        sizes, failures = fetcher.fetch_all(chosen)
    session.display.event(events.Summary(len(sizes), len(failures), sum(sizes), time.monotonic() - began))
    return exit_code(len(sizes), failures)


def choose(files: Sequence[FileInfo], keys: Sequence[str], selection: Selection) -> list[FileInfo]:
    """The files that are meant.

    Raises:
        NotFound: one that was named is not there, or nobody has finished its upload; or there is nothing at all.
    """
    complete = {one.key: one for one in files if one.status == "completed"}
    for key in keys:
        if key not in complete:
            raise NotFound(f"The record has no file {key} to download.", hint="`oarepo-s3 ls` shows what it has.")
    if keys:
        return [complete[key] for key in keys]
    found = [one for key, one in complete.items() if selection.takes(key)]
    if not found:
        raise NotFound("The record has no file to download.", hint="`oarepo-s3 ls` shows what it has.")
    return found


def place_of(key: str, output: str, *, many: bool) -> Path:
    """Where a file goes; never outside of the folder.

    Raises:
        SourceError: the key would lead out of the folder, or is no name that a file can have here.
    """
    path = Path(output)
    if not many and not (path.is_dir() or output.endswith(("/", os.sep))):
        return path
    return path.joinpath(*safe_parts(key, windows=os.name == "nt"))


def safe_parts(key: str, *, windows: bool) -> list[str]:
    """The names of folders and of the file that a key stands for.

    Raises:
        SourceError: it would lead out of the folder, or is no name that a file can have.
    """
    parts = key.split("/")
    unsafe = any(part in ("", ".", "..") or "\0" in part for part in parts)
    if unsafe or (windows and (PureWindowsPath(key).drive or "\\" in key)):
        hint = "Download it alone, with --output and a name."
        raise SourceError(f"{key} is no name for a file here.", hint=hint, code="unsafe_name")
    return parts


@dataclass
class Fetcher:
    """Downloads chosen files of a record, one after the other, each over several connections."""

    session: Session
    client: "Client"
    target: str
    output: str
    many: bool

    def show(self, chosen: Sequence[FileInfo]) -> None:
        """Say what would be done."""
        for one in chosen:
            path = place_of(one.key, self.output, many=self.many)
            text = f"{size_text(one.size or 0):>10}  {printable(one.key)} → {printable(str(path))}"
            self.session.result(text, "planned", action="download", path=str(path), key=one.key, size=one.size)

    def fetch_all(self, chosen: Sequence[FileInfo]) -> tuple[list[int], list[ClientError]]:
        """Sizes of those that came, and what went wrong with the others.

        Raises:
            ClientError: the only file failed, or one did and that is to stop the others, or it was interrupted.
        """
        sizes: list[int] = []
        failures: list[ClientError] = []
        for one in chosen:
            try:
                sizes.append(self._fetch(one))
            except ClientError as error:
                if self.session.cancel.cancelled or self.session.given.on_error == "stop" or len(chosen) == 1:
                    raise
                self.session.fail(one.key, error)
                failures.append(error)
        return sizes, failures

    def _fetch(self, one: FileInfo) -> int:
        path = place_of(one.key, self.output, many=self.many)
        try:
            if path.exists():
                return self._compare(one, path)
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"{path} cannot be written: {error.strerror}.") from error
        return self.client.download(self.target, one.key, path, cancel=self.session.cancel).size

    def _compare(self, one: FileInfo, path: Path) -> int:
        if path.is_dir() or not is_same(path, one):
            hint = "Move it away, or choose another place with --output."
            raise SourceError(f"{path} is here already and is another file.", hint=hint, code="file_exists")
        size = one.size or 0
        self.session.notice(ALREADY_THERE, "it is here already", one.key)
        self.session.event(events.Finished("", one.key, size, one.checksum, 0.0, 0))
        return size


@click.command()
@click.argument("target")
@click.argument("key")
@click.option("--start", type=click.IntRange(0), default=0, metavar="BYTE", help="The first byte to print, from 0.")
@click.option("--length", type=Size(), metavar="SIZE", help="How much to print, such as 1MiB; all if left out.")
@connection_options
@command
def cat(session: Session, target: str, key: str, start: int, length: int | None) -> None:
    """Print a file of a record, or a piece of it, to standard output."""
    target = session.target(target)
    if session.given.json:
        raise UsageError("What cat prints is the file itself.", hint="Leave --json out.")
    with session.client(target) as client:
        (one,) = choose(client.list(target), [key], Selection())
        end = min(one.size or 0, start + (one.size or 0 if length is None else length))
        while start < end:
            block = client.read(target, key, start, min(BLOCK, end - start))
            sys.stdout.buffer.write(block)
            start += len(block)
        sys.stdout.buffer.flush()
