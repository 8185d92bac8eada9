# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Commands about the files of a record: ``ls``, ``rm``, ``verify``, ``status``, ``abort``."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from oarepo_s3_client.api import FileInfo, UploadStatus
from oarepo_s3_client.cli import folders, journal_choice
from oarepo_s3_client.cli.options import connection_options
from oarepo_s3_client.cli.session import Session, command
from oarepo_s3_client.cli.texts import count_text, percent, printable, size_text, table
from oarepo_s3_client.cli.uploading import exit_code
from oarepo_s3_client.errors import ClientError, IntegrityError, NotFound, UsageError


@click.command()
@click.argument("target")
@connection_options
@command
def ls(session: Session, target: str) -> None:
    """List the files of a record."""
    target = session.target(target)
    with session.client(target) as client:
        files = sorted(client.list(target), key=lambda one: one.key)
    if not files:
        session.notice("no_files", "The record has no files.")
        return
    lines = table([("SIZE", "STATUS", "KEY", "CHECKSUM"), *map(_row, files)], right=frozenset({0}))
    session.heading(lines[0])
    for one, line in zip(files, lines[1:], strict=True):
        facts = {"checksum": one.checksum, "mimetype": one.mimetype}
        session.result(line, "file", key=one.key, size=one.size, status=one.status, **facts)


def _row(one: FileInfo) -> tuple[str, ...]:
    size = "" if one.size is None else size_text(one.size)
    return size, one.status, printable(one.key), one.checksum or ""


@click.command()
@click.argument("target")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--dry-run", "-n", is_flag=True, help="Show what would be done, and do nothing.")
@connection_options
@command
def rm(session: Session, target: str, keys: tuple[str, ...], dry_run: bool) -> int:
    """Delete files of a record. A pending upload is aborted."""
    target = session.target(target)
    done, failures = 0, list[ClientError]()
    with session.client(target) as client:
        for key in keys:
            if dry_run:
                session.result(f"would delete {printable(key)}", "planned", action="delete", key=key)
                continue
            try:
                client.delete(target, key)
            except ClientError as error:
                if len(keys) == 1:
                    raise
                session.fail(key, error)
                failures.append(error)
            else:
                done += 1
                session.result(f"deleted {printable(key)}", "deleted", key=key)
    return exit_code(done, failures)


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False))
@click.argument("target")
@click.option("--key", metavar="NAME", help="The file's name in the record, if it is another one.")
@connection_options
@command
def verify(session: Session, path: str, target: str, key: str | None) -> int:
    """Compare a local file with a record's file by size and checksum.

    Ends with 0 if they are the same, and with 6 if they differ.
    """
    target = session.target(target)
    key = folders.key_of(Path(path).name if key is None else key)
    with session.client(target) as client:
        found = client.verify(target, key, path)
    if found.algorithm is None:
        hint = "Download it and compare the two."
        raise ClientError(f"The repository has no checksum of {key} to compare with.", hint=hint, code="no_checksum")
    text = "the same" if found.matches else f"different: {found.local} here, {found.remote} there"
    facts = {"algorithm": found.algorithm, "local": found.local, "remote": found.remote}
    session.result(f"{printable(key)}: {text}", "verification", key=key, matches=found.matches, **facts)
    return 0 if found.matches else IntegrityError.exit_code


@click.command()
@click.argument("target")
@click.argument("key")
@connection_options
@command
def status(session: Session, target: str, key: str) -> None:
    """Show what has arrived of an upload, as the server sees it."""
    target = session.target(target)
    with session.client(target) as client:
        found = client.status(target, key)
    session.result(
        "\n".join(_status_lines(key, found)),
        "status",
        key=key,
        state=found.state,
        size=found.size,
        part_size=found.part_size,
        parts=found.parts_count,
        arrived=len(found.arrived) if found.known else None,
        missing=[list(pair) for pair in found.missing] if found.known else None,
        expires_at=found.expires_at,
    )


def _status_lines(key: str, found: UploadStatus) -> list[str]:
    plan = f"{size_text(found.size)} in {count_text(found.parts_count, 'part')} of {size_text(found.part_size)}"
    lines = [printable(key), f"  state    {found.state}", f"  plan     {plan}"]
    if found.known:
        arrived = len(found.arrived)
        lines.append(f"  arrived  {arrived:,} parts, {percent(arrived, found.parts_count)} %")
        if found.missing:
            lines.append(f"  missing  {_ranges(found.missing)}")
    else:
        lines.append("  arrived  unknown: this server does not list parts; see `oarepo-s3 list`")
    if found.expires_at:
        lines.append(f"  expires  {found.expires_at}")
    return lines


def _ranges(missing: Sequence[tuple[int, int]], most: int = 10) -> str:
    """``1-4, 7``, and how many more there are."""
    shown = [f"{first}" if first == last else f"{first}-{last}" for first, last in missing[:most]]
    return ", ".join(shown) + (f" and {len(missing) - most:,} more ranges" if len(missing) > most else "")


@click.command()
@click.argument("target", metavar="TARGET|TRANSFER", shell_complete=journal_choice.complete)
@click.argument("key", required=False)
@connection_options
@command
def abort(session: Session, target: str, key: str | None) -> None:
    """Give an upload up: what has arrived is thrown away.

    Name it by TARGET and KEY, or by its id from `oarepo-s3 list`. A download is forgotten, what has come of it deleted.
    """
    known = journal_choice.choose(session, ())
    if key is None:
        (info,) = journal_choice.choose(session, [target])
        chosen, target, key = [info], info.target, info.key
    else:
        target = session.target(target)
        chosen = [one for one in known if (one.kind, one.target, one.key) == ("upload", target, key)]
    if running := [one.running_pid for one in chosen if one.running_pid is not None]:
        hint = "Stop it with `oarepo-s3 pause`, then abort."
        raise UsageError(f"Process {running[0]} works on it.", hint=hint)
    with session.client(target) as client:
        if not any(one.kind == "download" for one in chosen):
            try:
                client.abort(target, key)
            except NotFound:
                if not chosen:
                    raise
        for one in chosen:
            with suppress(NotFound):  # the client has forgotten an upload with its abortion
                client.forget(one.transfer)
            if one.kind == "download":
                from oarepo_s3_client.downloads import part_path  # with the HTTP library, which --help does not need

                part_path(Path(one.path)).unlink(missing_ok=True)
    session.result(f"aborted {printable(key)}", "aborted", key=key)
