# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Commands about the program itself: ``login``, ``doctor``, ``completion``."""

import os
import sys

import click
from click.shell_completion import get_completion_class

from oarepo_s3_client.api import Check
from oarepo_s3_client.cli import credentials
from oarepo_s3_client.cli.options import connection_options, output_options
from oarepo_s3_client.cli.session import Session, command
from oarepo_s3_client.cli.texts import printable
from oarepo_s3_client.errors import UsageError

PROGRAM = "oarepo-s3"
COMPLETION_VARIABLE = "_OAREPO_S3_COMPLETE"


@click.command()
@click.argument("server", metavar="URL")
@click.option("--token-file", metavar="FILE", help="Read the token from a file, or from standard input if FILE is -.")
@click.option("--server-config", metavar="FILE", envvar="OAREPO_S3_CONFIG", help="Write this file, not the usual one.")
@output_options
@command
def login(session: Session, server: str, token_file: str | None, server_config: str | None) -> None:
    """Keep the token for a server.

    Asks for the token, which is not shown, and writes it to a file that only you can read. URL is the server's address;
    that of a record on it will do. The first server becomes the one that addresses beginning with a slash belong to.
    """
    session.given.server_config = server_config
    origin = credentials.origin_of(server)
    if token_file is not None:
        token = credentials.token_from_file(token_file)
    elif sys.stdin.isatty():
        token = credentials.checked_token(click.prompt(f"Token for {origin}", hide_input=True, err=True), "you")
    else:
        raise UsageError("There is no terminal to ask for the token on.", hint="Give it with --token-file -.")
    config = session.config
    config.server = config.server or origin
    config.tokens[origin] = token
    credentials.save(session.config_path, config)
    session.result(f"The token for {origin} is in {session.config_path}.", "logged_in", server=origin)


@click.command()
@click.argument("target")
@connection_options
@command
def doctor(session: Session, target: str) -> int:
    """Look for what would make an upload to a record fail."""
    target = session.target(target)
    checks = [_check_token(session, target)]
    with session.client(target) as client:
        checks += client.doctor(target)
    for one in checks:
        sign = {True: "✓", False: "✗", None: "–"}[one.ok]
        session.result(
            f"{sign} {one.name}: {printable(one.detail)}", "check", name=one.name, ok=one.ok, detail=one.detail
        )
    return 1 if any(one.ok is False for one in checks) else 0


def _check_token(session: Session, target: str) -> Check:
    given = session.given
    if given.token is not None:
        found = "from --token"
    elif given.token_file is not None:
        found = f"from {given.token_file}"
    elif os.environ.get("OAREPO_S3_TOKEN"):
        found = "from OAREPO_S3_TOKEN"
    elif credentials.origin_of(target) in session.config.tokens:
        found = f"from {session.config_path}"
    else:
        return Check("token given", None, "there is none; `oarepo-s3 login` keeps one")
    return Check("token given", True, found)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands and options.

    \b
    bash: eval "$(oarepo-s3 completion bash)" in ~/.bashrc
    zsh:  eval "$(oarepo-s3 completion zsh)" in ~/.zshrc
    fish: oarepo-s3 completion fish > ~/.config/fish/completions/oarepo-s3.fish
    """  # noqa: D301 - the backslash keeps click from joining the lines
    kind = get_completion_class(shell)
    assert kind is not None, shell  # click knows the three
    click.echo(kind(context.find_root().command, {}, PROGRAM, COMPLETION_VARIABLE).source())
