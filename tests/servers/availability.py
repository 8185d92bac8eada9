# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What a test does where a server is not installed."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import pytest

from .process import ServerMissingError

Server = TypeVar("Server")


@contextmanager
def available(server: AbstractContextManager[Server]) -> Iterator[Server]:
    """Enter a server; where it is not installed skip the test, or fail it if ``CI=true`` says that all is there.

    Args:
        server: what a module's ``start()`` returned.
    """
    try:
        running = server.__enter__()
    except ServerMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    try:
        yield running
    finally:
        server.__exit__(None, None, None)
