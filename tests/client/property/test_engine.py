# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The engine against a store and a repository that fail at random, with results in random order."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from oarepo_s3_client.engine import MISMATCHES, TransferEngine
from oarepo_s3_client.integrity import composite_etag
from oarepo_s3_client.plan import Part, Plan
from oarepo_s3_client.retries import Backoff, Fault, FaultKind
from oarepo_s3_client.states import TransferState
from oarepo_s3_client.urls import MAX_WINDOW
from oarepo_s3_client.work import Arrived, Check, Move, Sign, SignedPart, Work

ATTEMPTS = 4
MOST_STEPS = 20_000
RETRY = Fault(FaultKind.RETRY, "503")
RETRY_AFTER = Fault(FaultKind.RETRY, "503", retry_after=3.0)
EXPIRED = Fault(FaultKind.EXPIRED, "403")
STOPPED = Fault(FaultKind.STOPPED, "stopped")


def content_of(part: Part) -> bytes:
    return f"{part.offset}+{part.size}".encode()


def md5_of(part: Part) -> str:
    return hashlib.md5(content_of(part)).hexdigest()


@dataclass
class World:
    """Store, repository, clock and driver, all deterministic by the seed."""

    plan: Plan
    lanes: int
    seed: int
    trouble: float
    lifetime: float | None
    pauses: bool
    now: float = 0.0
    held: dict[int, str] = field(default_factory=dict)
    moves: Counter[int] = field(default_factory=Counter)
    faults: Counter[tuple[int, FaultKind]] = field(default_factory=Counter)
    urls: dict[str, float] = field(default_factory=dict)
    in_flight: list[Work] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        present = {
            n: md5_of(self.plan.part(n)) for n in range(1, self.plan.parts_count + 1) if self.random.random() < 0.2
        }
        arrived = {n: etag for n, etag in present.items() if n % 2}
        unchecked = {n: etag if self.random.random() < 0.5 else "0" * 32 for n, etag in present.items() if not n % 2}
        self.held = arrived | unchecked
        self.resumed = set(arrived)
        self.engine = TransferEngine(
            self.plan,
            lanes=self.lanes,
            backoff=Backoff(ATTEMPTS, Random(self.seed)),
            arrived=arrived,
            unchecked=unchecked,
            clock=lambda: self.now,
        )

    def run(self) -> None:
        for _ in range(MOST_STEPS):
            self.begin()
            if self.engine.finished and self.engine.state is not TransferState.PAUSED:
                return
            self.step()
        raise AssertionError("it does not end")

    def begin(self) -> None:
        for item in self.engine.next_work(self.lanes):
            self.check(item)
            self.in_flight.append(item)
        moving = [item for item in self.in_flight if not isinstance(item, Sign)]
        assert len(moving) <= self.lanes
        assert len(self.in_flight) - len(moving) <= 1
        assert self.engine.in_flight == len(self.in_flight)

    def check(self, item: Work) -> None:
        if isinstance(item, Sign):
            assert 0 < len(item.numbers) <= MAX_WINDOW
            assert not set(item.numbers) & self.engine.etags.keys()
            return
        assert item.part == self.plan.part(item.part.number)
        assert item.part not in [other.part for other in self.in_flight if not isinstance(other, Sign)]
        assert item.part.number not in self.engine.etags
        if isinstance(item, Move):
            self.moves[item.part.number] += 1
            assert item.attempt == self.moves[item.part.number] - self.faults[item.part.number, FaultKind.STOPPED]
            assert self.now < self.urls[item.url], "a URL that is known to have expired"

    def step(self) -> None:
        if not self.in_flight:
            self.pass_time()
            return
        self.now += self.random.random()
        if self.pauses and self.random.random() < 0.1:
            self.engine.pause()
        self.finish(self.in_flight.pop(self.random.randrange(len(self.in_flight))))

    def pass_time(self) -> None:
        if self.engine.state is TransferState.PAUSED:
            self.engine.resume()
            return
        assert self.engine.due is not None, "nothing under way, and nothing to wait for"
        self.now += self.engine.due

    def finish(self, item: Work) -> None:
        if self.random.random() < self.trouble:
            self.spoil(item)
        elif isinstance(item, Sign):
            assert self.engine.done(item, [self.url(number) for number in item.numbers]) is None
        elif isinstance(item, Check):
            fault = self.engine.done(item, md5_of(item.part))
            assert (fault is None) == (item.etag == md5_of(item.part))
        else:
            self.held[item.part.number] = md5_of(item.part)
            assert self.engine.done(item, Arrived(md5_of(item.part), md5_of(item.part))) is None

    def spoil(self, item: Work) -> None:
        if isinstance(item, Sign | Check):
            assert self.engine.failed(item, STOPPED) == 0.0
            return
        number = item.part.number
        choices = [RETRY, RETRY_AFTER, EXPIRED, STOPPED, Fault(FaultKind.WRONG, "flipped")]
        fault = self.random.choice(choices)
        self.faults[number, fault.kind] += 1
        if fault.kind is FaultKind.WRONG:
            self.held[number] = "f" * 32
            found = self.engine.done(item, Arrived("f" * 32, md5_of(item.part)))
            assert found is not None
            assert found.kind is FaultKind.WRONG
        else:
            wait = self.engine.failed(item, fault)
            assert wait >= (fault.retry_after or 0.0)

    def url(self, number: int) -> SignedPart:
        url = f"https://store/{len(self.urls)}"
        self.urls[url] = float("inf") if self.lifetime is None else self.now + self.lifetime
        return SignedPart(number, url, self.lifetime)


WORLDS = st.builds(
    World,
    plan=st.builds(Plan, st.integers(1, 700), st.integers(1, 30)),
    lanes=st.integers(1, 8),
    seed=st.integers(0, 2**32),
    trouble=st.sampled_from([0.0, 0.05, 0.3]),
    lifetime=st.sampled_from([None, 0.6, 2.0, 60.0, 3600.0]),
    pauses=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(WORLDS)
def test_every_part_arrives_or_the_fault_is_told(world: World) -> None:
    world.run()
    engine, count = world.engine, world.plan.parts_count
    if engine.state is TransferState.MOVED:
        assert engine.error is None
        expected = {number: md5_of(world.plan.part(number)) for number in range(1, count + 1)}
        assert engine.etags == world.held == expected
        assert engine.composite == composite_etag(expected[number] for number in range(1, count + 1))
    else:
        assert engine.state is TransferState.FAILED
        assert engine.error is not None
        worn_out = [
            number
            for number in range(1, count + 1)
            if world.faults[number, FaultKind.WRONG] >= MISMATCHES
            or world.faults[number, FaultKind.RETRY] + max(0, world.faults[number, FaultKind.EXPIRED] - 1) >= ATTEMPTS
        ]
        assert worn_out
    assert not world.in_flight or engine.state is TransferState.MOVED


@settings(max_examples=300, deadline=None)
@given(WORLDS)
def test_nothing_is_moved_twice_without_a_fault(world: World) -> None:
    """So the bytes that are sent twice are at most a part for each fault."""
    world.run()
    faults = Counter[int]()
    for (number, _), times in world.faults.items():
        faults[number] += times
    for number, times in world.moves.items():
        assert times <= 1 + faults[number]
        assert number not in world.resumed


@settings(max_examples=100, deadline=None)
@given(WORLDS, st.sets(st.integers(1, 700)))
def test_parts_that_the_repository_misses_go_again(world: World, missing: set[int]) -> None:
    world.run()
    if world.engine.state is not TransferState.MOVED:
        return
    count = world.plan.parts_count
    world.moves.clear()
    world.faults.clear()
    world.trouble = 0.0
    gone = {number for number in missing if number <= count}
    world.engine.again(missing)
    assert world.engine.finished == (not gone)
    for number in gone:
        del world.held[number]
    world.check = lambda item: None  # type: ignore[method-assign] - attempts are counted over both rounds
    world.run()
    assert world.engine.state is TransferState.MOVED
    assert set(world.held) == set(range(1, count + 1))
