# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The program: its commands, and how it begins and ends."""

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

import click

from oarepo_s3_client.cli import downloading, process_list, records, setup, transfers, uploading
from oarepo_s3_client.errors import Interrupted

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some files failed, 4 not authorised, "
    "5 interrupted and can go on, 6 the content is not what it should be."
)


class Commands(click.Group):
    """Commands in the order that they are added, which is that of their use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Not sorted."""
        return list(self.commands)


def _show_version(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version  # an eighth of the time that --help takes

        click.echo(f"oarepo-s3 {version('oarepo-s3-client')}")
        ctx.exit()


@click.group(cls=Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["--help", "-h"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
def cli() -> None:
    """Upload files to a repository and download them, straight to and from its S3 store.

    Whatever stops it, run it again: it goes on where it was.
    """


for _command in (
    uploading.upload,
    uploading.resume,
    records.status,
    transfers.list_transfers,
    transfers.pause,
    records.abort,
    downloading.download,
    records.ls,
    downloading.cat,
    records.rm,
    records.verify,
    setup.doctor,
    setup.login,
    setup.completion,
):
    cli.add_command(_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, without the program's name; the exit code."""
    try:
        code = cli.main(args=arguments, prog_name=setup.PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # Ctrl-C while we ask for something
        click.echo("Aborted.", err=True)
        return Interrupted.exit_code
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the program."""
    process_list.hide_token()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal may know few letters; that is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run())
