# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A record of ``owner`` in an application with a fake store; other settings by the marker of a test module."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.records_app import Clock, RecordsWorld, records_world


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., RecordsWorld]]:
    """Makes worlds with settings of their own, each with record 1."""
    with ExitStack() as stack:

        def make(**settings: Any) -> RecordsWorld:
            world = stack.enter_context(records_world(f"sqlite:///{tmp_path / 'test.db'}", Clock(), **settings))
            world.add_record()
            return world

        yield make


@pytest.fixture
def world(make_world: Callable[..., RecordsWorld]) -> RecordsWorld:
    """A world with the default settings."""
    return make_world()


@pytest.fixture
def etags(world: RecordsWorld) -> dict[int, str]:
    """ETags of the three parts of an upload that is open."""
    world.client().open(name="Data")
    return world.put_parts(world.upload())
