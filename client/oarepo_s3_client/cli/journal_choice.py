# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Which of the transfers in the journal a command line means."""

import os
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

from oarepo_s3_client.api import TransferInfo
from oarepo_s3_client.cli.session import Session
from oarepo_s3_client.errors import NotFound, UsageError


def choose(session: Session, names: Sequence[str]) -> list[TransferInfo]:
    """The transfers with these names, or all if there are none.

    Args:
        session: the run.
        names: ids, beginnings of ids, or paths of local files.

    Raises:
        NotFound: there is no such transfer.
        UsageError: a name stands for several.
    """
    with session.client() as client:
        known = client.transfers()
    return [_find(known, name) for name in names] if names else known


def _find(known: Sequence[TransferInfo], name: str) -> TransferInfo:
    exact = [one for one in known if one.transfer == name]
    path = os.path.realpath(name)
    found = exact or [one for one in known if os.path.realpath(one.path) == path or one.transfer.startswith(name)]
    if not found:
        hint = "`oarepo-s3 list` shows those that are unfinished."
        raise NotFound(f"There is no transfer {name} in the journal.", hint=hint)
    if len(found) > 1:
        raise UsageError(f"{name} stands for {len(found)} transfers.", hint="Take an id that `oarepo-s3 list` shows.")
    return found[0]


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids for the shell, with their files beside them."""
    from oarepo_s3_client.client import Client

    with Client() as client:
        return [
            CompletionItem(one.transfer, help=one.path)
            for one in client.transfers()
            if one.transfer.startswith(incomplete)
        ]
