# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Every case of the table, against the real stack."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.folder import PROJECT
from tests.stack.servers import Servers

from .invariants import check_store
from .running import SETTINGS, Run
from .table import CASES, CELLS, FAULTS, STEPS, Case, page
from .world import World
from .world import world as world_of

PAGE: Path = PROJECT / "docs" / "understanding" / "faults.md"


@pytest.fixture(scope="module")
def world(servers: Servers) -> Iterator[World]:
    with world_of(servers, **SETTINGS) as running:
        yield running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fault(world: World, case: Case) -> None:
    Run(world, case).run()


def test_nothing_is_left_at_the_store_after_all_of_them(world: World) -> None:
    world.settle()
    check_store(world)


def test_table_is_whole() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
    assert {step for step, _ in CELLS} == set(STEPS)
    assert {case.fault for case in CASES} == set(FAULTS)


def test_page_shows_this_table() -> None:
    assert PAGE.read_text(encoding="utf-8").splitlines() == "\n".join(page()).rstrip().splitlines(), (
        "python -m tests.faults.table > docs/understanding/faults.md"
    )
