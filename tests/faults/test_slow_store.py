# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A store that takes seconds holds up neither other requests nor the database."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.process import wait_until
from tests.stack.servers import Servers

from .invariants import Sent, check
from .proxy import Exchange, Operation
from .world import PART, SIZE, STACK_NAME, World, content_of
from .world import world as world_of

OPENS = 20
CALL_SECONDS = 3.0
SAMPLES = 30
POOL_OF_TWO = {"pool_pre_ping": True, "pool_size": 2, "max_overflow": 0, "pool_timeout": 20}
"""Two connections for the 20 requests of a process: enough, as none keeps one while it waits for the store."""


@pytest.fixture
def world(servers: Servers) -> Iterator[World]:
    with world_of(servers, threads=OPENS, nodes=1, SQLALCHEMY_ENGINE_OPTIONS=POOL_OF_TWO) as running:
        yield running


def sessions_of_the_application(world: World) -> list[str]:
    """What the database says of each connection of the stack, at this moment."""
    query = "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name"
    rows = world.rows(query, name=STACK_NAME)
    return [str(row.state) for row in rows]


def test_opens_wait_for_a_slow_store_side_by_side_and_without_the_database(world: World) -> None:
    pid = world.add_record()
    keys = [f"slow {number}.bin" for number in range(OPENS)]
    with ThreadPoolExecutor(OPENS) as pool, world.store_proxy.inject(_slow, times=OPENS * 10) as injection:
        answers = [pool.submit(world.owner.open, pid, key, SIZE, PART) for key in keys]
        # Were anything locked, or a connection kept, some of them would wait for others and never be here together.
        wait_until(
            lambda: world.store_proxy.busy(Operation.CREATE) == OPENS, seconds=60, what="not all calls are at the store"
        )
        seen = []
        for _ in range(SAMPLES):
            seen.append(sessions_of_the_application(world))
            time.sleep(CALL_SECONDS / SAMPLES)
        injection.release()
        opened = [answer.result() for answer in answers]
    assert [answer.status for answer in opened] == [201] * OPENS
    assert all(seen), "the application has no connection at all"
    assert {state for states in seen for state in states} == {"idle"}
    for key, answer in zip(keys, opened, strict=True):
        world.owner.put_parts(answer.body["multipart_upload"], content_of(key))
        assert world.owner.act("complete", pid, key).ok
    sent = {pid: {key: Sent(None, (content_of(key),)) for key in keys}}
    world.settle()
    check(world, sent, settled=True)


def _slow(exchange: Exchange) -> None:
    """Every call takes as long as the test has looked at the database, at least three seconds."""
    exchange.hold()
    exchange.answer(exchange.forward())
