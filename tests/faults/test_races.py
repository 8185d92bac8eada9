# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Two at once, each kind of race 200 times, on two web workers and two Celery workers: exactly one wins."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from tests.stack.client import Answer
from tests.stack.servers import Servers
from tests.stack.stack import SWEEP

from .invariants import Sent, check, check_store
from .world import PART, World, content_of
from .world import world as world_of

RACES = 200
LANES = 4
"""Races that are run at once, each with its own key: two contenders each keep all threads of the web workers busy."""

KEYS_OF_A_RECORD = 10
LOST_CLEANLY = {404, 409, 410}


@dataclass(frozen=True)
class Start:
    """What a race is about: a key of a record, and what is sent for it."""

    number: int
    pid: str
    key: str
    content: bytes
    previous: bytes | None = None


@pytest.fixture(scope="module")
def world(servers: Servers) -> Iterator[World]:
    with world_of(servers, threads=LANES, proxied=False) as running:
        yield running
        running.settle()
        check_store(running)


def in_lanes(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Map with as many threads as there are lanes."""
    with ThreadPoolExecutor(LANES) as pool:
        return list(pool.map(function, items))


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Let all begin at the same moment, and return what came of each."""
    barrier, outcomes = threading.Barrier(len(calls)), [None] * len(calls)

    def run(place: int) -> None:
        barrier.wait(30)
        outcomes[place] = calls[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert None not in outcomes, "a contender has not come back"
    return outcomes


def starts(world: World, name: str, *, keys_of_a_record: int = KEYS_OF_A_RECORD) -> list[Start]:
    """A key for each race."""
    pids = [world.add_record() for _ in range(RACES // keys_of_a_record)]
    return [
        Start(number, pids[number // keys_of_a_record], f"{name} {number}.bin", content_of(f"{name} {number}")[:700])
        for number in range(RACES)
    ]


def uploading(world: World, name: str, **options: Any) -> list[Start]:
    """The same with an open upload whose parts have all arrived."""
    prepared = starts(world, name, **options)
    in_lanes(
        lambda start: world.owner.put_parts(world.open(start.pid, start.key, start.content), start.content), prepared
    )
    return prepared


def settle_and_check(world: World, races: Sequence[Start]) -> None:
    """Let the schedule run, and check everything."""
    world.settle()
    sent: dict[str, dict[str, Sent]] = {}
    for start in races:
        sent.setdefault(start.pid, {})[start.key] = Sent(start.previous, (start.content,))
    check(world, sent, settled=True)


def readable(world: World, races: Sequence[Start]) -> set[str]:
    """The keys whose upload is completed."""
    keys = [start.key for start in races]
    rows = world.rows("SELECT key FROM oarepo_s3_uploads WHERE state = 'completed' AND key = ANY(:keys)", keys=keys)
    return {row.key for row in rows}


def make_due(world: World, start: Start) -> None:
    """Let a sweep believe that the time of an upload is over, as one whose clock is ahead does."""
    with world.engine.begin() as connection:
        query = "UPDATE oarepo_s3_uploads SET due_at = now() - interval '1 day' WHERE key = :key"
        connection.execute(sa.text(query), {"key": start.key})


def complete(world: World, start: Start) -> Callable[[], Answer]:
    return lambda: world.owner.act("complete", start.pid, start.key)


def clean(answers: Sequence[Answer]) -> bool:
    return all(answer.ok or answer.status in LOST_CLEANLY for answer in answers)


def test_two_completes(world: World) -> None:
    races = uploading(world, "two completes")

    def race(start: Start) -> None:
        answers = at_once(complete(world, start), complete(world, start))
        assert clean(answers), answers
        done = [answer.body for answer in answers if answer.ok]
        assert done
        assert done[0] == done[-1]

    in_lanes(race, races)
    assert len(readable(world, races)) == RACES
    settle_and_check(world, races)


def test_complete_against_abort(world: World) -> None:
    races = uploading(world, "complete against abort")

    def race(start: Start) -> bool:
        answers = at_once(complete(world, start), lambda: world.owner.act("abort", start.pid, start.key))
        assert clean(answers), answers
        assert sum(answer.ok for answer in answers) == 1, answers
        completed: bool = answers[0].ok
        return completed

    completed = in_lanes(race, races)
    assert readable(world, races) == {start.key for start, won in zip(races, completed, strict=True) if won}
    settle_and_check(world, races)


def test_complete_against_sweep(world: World) -> None:
    races = uploading(world, "complete against sweep")

    def race(start: Start) -> bool:
        make_due(world, start)
        answer, _ = at_once(complete(world, start), lambda: world.stack.run(SWEEP))
        assert clean([answer]), answer
        completed: bool = answer.ok
        return completed

    completed = in_lanes(race, races)
    assert readable(world, races) == {start.key for start, won in zip(races, completed, strict=True) if won}
    settle_and_check(world, races)


def test_two_sweeps(world: World) -> None:
    races = uploading(world, "two sweeps")
    ran: set[int] = set()
    for start in races:
        make_due(world, start)
        ids = [world.stack.send(SWEEP), world.stack.send(SWEEP)]
        reports = [world.stack.result(one) for one in ids]
        assert sum(report["expired"] for report in reports) == 1, reports
        assert not any(report["failed"] for report in reports), reports
        ran |= {world.stack.ended()[one]["pid"] for one in ids}
    assert len(ran) == 2, "the sweeps have run in one process only"
    assert not readable(world, races)
    settle_and_check(world, races)


def test_open_twice_at_once(world: World) -> None:
    races = starts(world, "open twice")

    def race(start: Start) -> None:
        def open_it() -> Answer:
            return world.owner.open(start.pid, start.key, len(start.content), PART)

        answers = at_once(open_it, open_it)
        assert clean(answers), answers
        sessions = [answer.body["multipart_upload"] for answer in answers if answer.ok]
        assert len({session["upload_id"] for session in sessions}) == 1, answers
        world.owner.put_parts(sessions[-1], start.content)
        answer = complete(world, start)()
        assert answer.ok, answer

    in_lanes(race, races)
    rows = world.rows("SELECT key FROM oarepo_s3_uploads WHERE key LIKE 'open twice%'")
    assert Counter(row.key for row in rows).most_common(1)[0][1] == 1
    settle_and_check(world, races)


def test_two_new_versions_of_a_key_at_once(world: World) -> None:
    first = uploading(world, "two versions")
    in_lanes(lambda start: complete(world, start)(), first)
    races = [
        Start(start.number, start.pid, start.key, content_of(f"new {start.key}"), previous=start.content)
        for start in first
    ]

    def race(start: Start) -> None:
        answers = at_once(
            lambda: world.owner.open(start.pid, start.key, len(start.content), PART),
            lambda: world.owner.open(start.pid, start.key, len(start.content) - 1, PART),
        )
        assert clean(answers), answers
        assert sum(answer.ok for answer in answers) == 1, answers
        if answers[0].ok:
            world.owner.put_parts(answers[0].body["multipart_upload"], start.content)
            answer = complete(world, start)()
            assert answer.ok, answer

    in_lanes(race, races)
    settle_and_check(world, races)


def test_record_deleted_under_an_upload(world: World) -> None:
    races = uploading(world, "deleted", keys_of_a_record=1)

    def race(start: Start) -> bool:
        answers = at_once(complete(world, start), lambda: world.owner.delete_record(start.pid))
        assert clean(answers), answers
        completed: bool = answers[0].ok
        return completed

    completed = in_lanes(race, races)
    assert readable(world, races) == {start.key for start, won in zip(races, completed, strict=True) if won}
    settle_and_check(world, races)
