# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Options that several commands have, and where their values are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click

from oarepo_s3_client.cli.folders import Selection
from oarepo_s3_client.cli.texts import parse_size

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Given:
    """Values of the shared options, named as in ``oarepo_s3_client.Options`` where they end up there."""

    json: bool = False
    quiet: bool = False
    token: str | None = None
    token_file: str | None = None
    server_config: str | None = None
    ca_bundle: str | None = None
    proxy: str | None = None
    parallel: int = 4
    limit_rate: int | None = None
    part_size: int | None = None
    no_part_md5: bool = False
    recursive: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_depth: int | None = None
    on_error: Literal["skip", "stop"] = "skip"
    dry_run: bool = False

    @property
    def selection(self) -> Selection:
        """Which files of a folder, or of a record, are meant."""
        return Selection(self.include, self.exclude, self.max_depth)


class Size(click.ParamType[int]):
    """A number of bytes with a unit."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ``64MiB``."""
        if isinstance(value, int):
            return value
        try:
            return parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    setattr(ctx.ensure_object(Given), param.name or "", value)


def _shared(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    return click.option(*names, expose_value=False, callback=_keep, **attributes)


_OUTPUT = (
    _shared("--json", is_flag=True, help="Print one JSON object a line, for programs."),
    _shared("--quiet", "-q", is_flag=True, help="Print nothing but errors and what was asked for."),
)

_CONNECTION = (
    _shared(
        "--token",
        metavar="TOKEN",
        help="Token of the repository. Others may see it for a moment and your shell remembers it; "
        "better log in, or use the variable OAREPO_S3_TOKEN.",
    ),
    _shared("--token-file", metavar="FILE", help="Read the token from a file, or from standard input if FILE is -."),
    _shared(
        "--server-config",
        metavar="FILE",
        envvar="OAREPO_S3_CONFIG",
        help="Where `oarepo-s3 login` keeps servers and tokens, in place of the usual file.",
    ),
    _shared(
        "--ca-bundle",
        metavar="FILE",
        envvar="OAREPO_S3_CA_BUNDLE",
        type=click.Path(exists=True, dir_okay=False),
        help="Trust the certificate authorities in this PEM file, in place of the system's.",
    ),
    _shared("--proxy", metavar="URL", help="Reach the repository and the store through this HTTP proxy."),
)

_TRANSFER = (
    _shared(
        "--parallel",
        type=click.IntRange(1, 64),
        default=4,
        show_default=True,
        metavar="N",
        help="Parts, or small files, at a time.",
    ),
    _shared("--limit-rate", type=Size(), metavar="RATE", help="At most so many bytes a second in all, such as 10MiB."),
)

_UPLOAD = (
    _shared("--part-size", type=Size(), metavar="SIZE", help="Size of a part, such as 64MiB; else the server chooses."),
    _shared("--no-part-md5", is_flag=True, help="Do not compare the MD5 of each part with the store's."),
)


_SELECTION = (
    _shared("--recursive", "-r", is_flag=True, help="Take folders, with all that is in them."),
    _shared(
        "--include",
        multiple=True,
        metavar="GLOB",
        help="Take only files that match, such as '*.csv' or 'raw/**/*.dat'. May be repeated.",
    ),
    _shared(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        help="Take no file that matches, and nothing in a folder that matches. May be repeated.",
    ),
    _shared(
        "--max-depth",
        type=click.IntRange(1),
        metavar="N",
        help="Go down so many levels; 1 takes the files of the folder itself.",
    ),
    _shared(
        "--on-error",
        type=click.Choice(["skip", "stop"]),
        default="skip",
        show_default=True,
        help="After a file that fails, go on with the others or stop.",
    ),
    _shared("--dry-run", "-n", is_flag=True, help="Show what would be done, and do nothing."),
)


def output_options(command: Command) -> Command:
    """``--json`` and ``--quiet``."""
    return _apply(command, _OUTPUT)


def connection_options(command: Command) -> Command:
    """Those of every command that asks a server."""
    return _apply(command, (*_CONNECTION, *_OUTPUT))


def transfer_options(command: Command) -> Command:
    """Those of every command that moves bytes."""
    return _apply(command, (*_TRANSFER, *_CONNECTION, *_OUTPUT))


def upload_options(command: Command) -> Command:
    """Those of every command that may send bytes."""
    return _apply(command, (*_TRANSFER, *_UPLOAD, *_CONNECTION, *_OUTPUT))


def selection_options(command: Command) -> Command:
    """Which files of a folder, or of a record, are meant, and what becomes of them after a failure."""
    return _apply(command, _SELECTION)


def _apply(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
