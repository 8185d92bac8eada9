# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A repository on PostgreSQL, as SQLite's units of work are not atomic."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from .world import RepositoryWorld, repository_world


@pytest.fixture
def make_world(postgres: Any) -> Iterator[Callable[..., RepositoryWorld]]:
    """Makes worlds with settings of their own."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(repository_world(postgres.create_database(), **settings))


@pytest.fixture
def world(make_world: Callable[..., RepositoryWorld]) -> RepositoryWorld:
    """A world with the default settings."""
    return make_world()


@pytest.fixture
def pid(world: RepositoryWorld) -> str:
    """A new draft of ``owner``."""
    return world.add_draft()
