# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The schedule's tasks over the other broker that Invenio is run with; it forgets its messages when it is restarted."""

from collections.abc import Iterator

import pytest

from tests.servers.availability import available
from tests.stack.servers import Servers, over_redis

from .running import SETTINGS, Run
from .table import CASES, Case, Fault
from .world import World
from .world import world as world_of

OVER_REDIS = [case for case in CASES if case.step.by_celery and case.fault is Fault.RESTART_BROKER] + [
    case for case in CASES if case.name == "sweep/before-store/kill-celery"
]


@pytest.fixture(scope="module")
def world(servers: Servers) -> Iterator[World]:
    with available(over_redis(servers)) as running, world_of(running, nodes=1, **SETTINGS) as stack:
        yield stack


@pytest.mark.parametrize("case", OVER_REDIS, ids=lambda case: case.name)
def test_task_over_redis(world: World, case: Case) -> None:
    Run(world, case).run()
