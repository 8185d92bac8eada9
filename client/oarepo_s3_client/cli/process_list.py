# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Keeps a token that was given as ``--token`` out of the list of processes."""

import os
import sys
from collections.abc import Sequence

OPTION = "--token"
VARIABLE = "OAREPO_S3_TOKEN"


def split_token(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The arguments without ``--token VALUE`` and ``--token=VALUE``, and the last value."""
    kept: list[str] = []
    token = None
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*kept, argument, *rest], token
        if argument == OPTION:
            value = next(rest, None)
            if value is None:  # the parser says what is missing
                return [*kept, argument], token
            token = value
        elif argument.startswith(f"{OPTION}="):
            token = argument.removeprefix(f"{OPTION}=")
        else:
            kept.append(argument)
    return kept, token


def hide_token() -> None:
    """Start the program again without the token, which moves to the environment: only the user can read that.

    Does nothing where there is no such option, or on Windows, where a program cannot become another one.
    """
    count = len(sys.argv) - 1
    kept, token = split_token(sys.argv[1:])
    if token is None or os.name != "posix":
        return
    print(
        "oarepo-s3: others may have seen the token after --token, and the shell remembers it; "
        f"use `oarepo-s3 login`, --token-file or {VARIABLE}.",
        file=sys.stderr,
        flush=True,
    )
    interpreter = sys.orig_argv[1 : len(sys.orig_argv) - count]
    os.execve(sys.executable, [sys.executable, *interpreter, *kept], os.environ | {VARIABLE: token})
