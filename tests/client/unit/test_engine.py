# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Single steps of the engine, with a clock that stands still."""

import hashlib
from random import Random

import pytest

from oarepo_s3_client.engine import TransferEngine
from oarepo_s3_client.errors import FileChanged, IntegrityError, ServerTrouble
from oarepo_s3_client.plan import Plan
from oarepo_s3_client.retries import Backoff, Fault, FaultKind
from oarepo_s3_client.states import TransferState
from oarepo_s3_client.work import Arrived, Check, Move, Sign, SignedPart

RETRY = Fault(FaultKind.RETRY, "503")
EXPIRED = Fault(FaultKind.EXPIRED, "403")
STOPPED = Fault(FaultKind.STOPPED, "stopped")
MD5 = "0cc175b9c0f1b6a831c399e269772661"
OTHER = "92eb5ffee6ae2fec3ad71c777531578f"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(clock: Clock) -> TransferEngine:
    return make(clock)


def make(clock: Clock, parts: int = 6, lanes: int = 2, attempts: int = 3, **known: dict[int, str]) -> TransferEngine:
    plan = Plan(10 * parts, 10)
    return TransferEngine(plan, lanes=lanes, backoff=Backoff(attempts, Random(1)), clock=clock, **known)  # type: ignore[arg-type]


def sign(engine: TransferEngine, lifetime: float | None = None) -> Sign:
    """Let the engine ask for URLs and give them."""
    (item,) = [item for item in engine.next_work(0) if isinstance(item, Sign)]
    assert engine.done(item, [SignedPart(n, f"url {n}", lifetime) for n in item.numbers]) is None
    return item


def moves(engine: TransferEngine, n: int = 9) -> list[Move]:
    return [item for item in engine.next_work(n) if isinstance(item, Move)]


def test_urls_are_asked_for_just_ahead_of_need(engine: TransferEngine) -> None:
    assert engine.next_work(2) == [Sign((1, 2, 3, 4))]
    assert engine.next_work(2) == []
    engine.done(Sign((1, 2, 3, 4)), [SignedPart(n, f"url {n}") for n in (1, 2, 3, 4)])
    first, second = moves(engine)
    assert (first.part.number, first.url, first.attempt) == (1, "url 1", 1)
    assert [item.numbers for item in engine.next_work(2) if isinstance(item, Sign)] == []
    engine.done(first, Arrived(MD5, MD5))
    third, next_window = engine.next_work(2)
    assert isinstance(third, Move)
    assert next_window == Sign((5, 6))
    assert second.part.number == 2


def test_windows_double_up_to_their_limit(clock: Clock) -> None:
    engine = make(clock, parts=1000, lanes=10)
    sizes = []
    while not engine.finished:
        for item in engine.next_work(10):
            if isinstance(item, Sign):
                sizes.append(len(item.numbers))
                engine.done(item, [SignedPart(n, f"url {n}") for n in item.numbers])
            else:
                engine.done(item, Arrived(MD5, MD5))
    assert sizes == [20, 40, 80, 160, 200, 200, 200, 100]


def test_a_url_that_is_about_to_expire_is_not_used(engine: TransferEngine, clock: Clock) -> None:
    assert sign(engine, lifetime=60).numbers == (1, 2, 3, 4)
    clock.now += 57
    assert engine.next_work(2) == [Sign((1, 2))]  # as many as there are lanes: what is asked for has to be used


def test_a_short_lived_url_is_good_for_a_moment(engine: TransferEngine, clock: Clock) -> None:
    sign(engine, lifetime=1)
    clock.now += 0.4
    assert [item.part.number for item in moves(engine)] == [1, 2]


def test_403_refreshes_all_urls_of_the_same_answer_once(engine: TransferEngine) -> None:
    sign(engine)
    first, second = moves(engine)
    assert engine.failed(first, EXPIRED) == 0.0
    assert engine.failed(second, EXPIRED) == 0.0
    assert engine.next_work(2) == [Sign((1, 2))]
    engine.done(Sign((1, 2)), [SignedPart(1, "new 1"), SignedPart(2, "new 2")])
    again = moves(engine)
    assert [(item.url, item.attempt) for item in again] == [("new 1", 2), ("new 2", 2)]


def test_403_leaves_younger_urls_alone(engine: TransferEngine) -> None:
    sign(engine)
    old, other = moves(engine)
    engine.done(other, Arrived(MD5))
    third = moves(engine)[0]
    engine.done(third, Arrived(MD5))
    fourth = moves(engine)[0]
    younger = [SignedPart(n, f"url {n}") for n in (5, 6)]
    engine.done(Sign((5, 6)), younger)
    engine.failed(old, EXPIRED)
    engine.done(fourth, Arrived(MD5))
    assert [item.url for item in moves(engine)] == ["url 5", "url 6"]


def test_403_again_counts_as_an_attempt_and_asks_anew(clock: Clock) -> None:
    engine = make(clock, parts=1, lanes=1)
    sign(engine)
    assert engine.failed(moves(engine)[0], EXPIRED) == 0.0
    sign(engine)
    assert engine.failed(moves(engine)[0], EXPIRED) >= 0.25
    assert engine.next_work(1) == []
    clock.now += engine.due or 0
    sign(engine)
    assert [item.attempt for item in moves(engine)] == [3]


def test_retry_waits_and_keeps_the_url(engine: TransferEngine, clock: Clock) -> None:
    sign(engine)
    first, _ = moves(engine)
    wait = engine.failed(first, RETRY)
    assert 0.25 <= wait <= 0.5
    assert engine.due == pytest.approx(wait)
    assert [item.part.number for item in moves(engine)] == [3]
    engine.done(Move(engine.plan.part(3), "url 3", 1), Arrived(MD5))
    clock.now += wait
    assert [(item.part.number, item.url, item.attempt) for item in moves(engine)] == [(1, "url 1", 2)]


def test_retry_after_holds_everybody(engine: TransferEngine, clock: Clock) -> None:
    sign(engine)
    first, _ = moves(engine)
    assert engine.failed(first, Fault(FaultKind.RETRY, "503", retry_after=7.0)) == 7.0
    assert moves(engine) == []
    assert engine.due == 7.0
    clock.now += 7.0
    assert [item.part.number for item in moves(engine)] == [1]


def test_trouble_of_all_lanes_holds_everybody(engine: TransferEngine) -> None:
    sign(engine)
    for item in moves(engine):
        engine.failed(item, RETRY)
    assert moves(engine) == []
    assert engine.due is not None


def test_attempts_have_an_end(engine: TransferEngine, clock: Clock) -> None:
    sign(engine)
    for _ in range(3):
        clock.now += engine.due or 0
        engine.failed(moves(engine, 1)[0], RETRY)
    assert isinstance(engine.error, ServerTrouble)
    assert "3 attempts" in engine.error.message
    assert engine.state is TransferState.FAILED
    assert engine.finished
    assert engine.next_work(2) == []


def test_damage_is_repaired_twice_and_then_told(engine: TransferEngine) -> None:
    for attempt in (1, 2, 3):
        engine.offer([SignedPart(1, "url")])
        (item,) = moves(engine, 1)
        assert item.attempt == attempt
        fault = engine.done(item, Arrived(OTHER, MD5))
        assert fault is not None
        assert fault.kind is FaultKind.WRONG
    assert isinstance(engine.error, IntegrityError)


@pytest.mark.parametrize("etag", ["", "not-an-md5", "0cc175b9c0f1b6a831c399e269772661-1"])
def test_an_opaque_etag_is_not_compared(engine: TransferEngine, etag: str) -> None:
    engine.offer([SignedPart(1, "url")])
    assert engine.done(moves(engine)[0], Arrived(etag, MD5)) is None
    assert engine.etags == {1: etag}


def test_parts_that_are_there_are_compared_first(clock: Clock) -> None:
    engine = make(clock, parts=3, arrived={1: MD5}, unchecked={2: MD5, 3: OTHER})
    checks = engine.next_work(2)
    assert checks == [Check(engine.plan.part(2), MD5), Check(engine.plan.part(3), OTHER)]
    assert engine.done(checks[0], MD5) is None
    fault = engine.done(checks[1], MD5)
    assert fault is not None
    assert fault.kind is FaultKind.WRONG
    assert engine.etags == {1: MD5, 2: MD5}
    assert engine.next_work(2) == [Sign((3,))]


def test_everything_there_already(clock: Clock) -> None:
    engine = make(clock, parts=2, arrived={1: MD5, 2: OTHER})
    assert engine.finished
    assert engine.state is TransferState.MOVED
    joined = hashlib.md5(bytes.fromhex(MD5 + OTHER)).hexdigest()
    assert engine.composite == f"{joined}-2"


def test_a_failed_comparison_can_be_final(clock: Clock) -> None:
    engine = make(clock, parts=1, unchecked={1: MD5})
    (check,) = engine.next_work(1)
    error = FileChanged("changed")
    assert engine.failed(check, Fault(FaultKind.FATAL, "changed", error=error)) == 0.0
    assert engine.error is error


def test_a_comparison_that_was_stopped_is_made_again(clock: Clock) -> None:
    engine = make(clock, parts=1, unchecked={1: MD5})
    (check,) = engine.next_work(1)
    engine.failed(check, STOPPED)
    assert engine.next_work(1) == [check]


def test_a_final_fault_ends_it_but_keeps_what_arrives(engine: TransferEngine) -> None:
    sign(engine)
    first, second = moves(engine)
    engine.failed(first, Fault(FaultKind.FATAL, "no"))
    assert isinstance(engine.error, ServerTrouble)
    assert not engine.finished
    engine.done(second, Arrived(MD5, MD5))
    assert engine.finished
    assert engine.etags == {2: MD5}


def test_missing_urls_are_final(engine: TransferEngine) -> None:
    (item,) = engine.next_work(0)
    fault = engine.done(item, [SignedPart(1, "url 1"), SignedPart(99, "url 99")])
    assert fault is not None
    assert isinstance(engine.error, ServerTrouble)


def test_urls_that_cannot_be_had_are_final(engine: TransferEngine) -> None:
    (item,) = engine.next_work(0)
    error = ServerTrouble("no")
    engine.failed(item, Fault(FaultKind.FATAL, "no", error=error))
    assert engine.error is error


def test_pause_and_resume(engine: TransferEngine) -> None:
    engine.resume()
    sign(engine)
    first, second = moves(engine)
    engine.pause()
    engine.pause()
    assert engine.next_work(2) == []
    assert not engine.finished
    engine.failed(first, STOPPED)
    engine.done(second, Arrived(MD5, MD5))
    assert engine.finished
    engine.resume()
    assert engine.state is TransferState.MOVING
    assert [item.part.number for item in moves(engine)] == [3, 4]


def test_the_last_part_may_arrive_after_a_pause(clock: Clock) -> None:
    engine = make(clock, parts=1)
    sign(engine)
    (item,) = moves(engine)
    engine.pause()
    engine.done(item, Arrived(MD5, MD5))
    assert engine.state is TransferState.MOVED


def test_composite_needs_all_parts(engine: TransferEngine) -> None:
    assert engine.composite is None


def test_again_takes_only_what_had_arrived(clock: Clock) -> None:
    engine = make(clock, parts=3, arrived={1: MD5, 2: MD5, 3: MD5})
    engine.again([9])
    assert engine.finished
    engine.again([2, 9])
    assert not engine.finished
    assert engine.next_work(1) == [Sign((2,))]
    engine.give_up(ServerTrouble("no"))
    engine.again([1])
    assert engine.state is TransferState.FAILED
    engine.give_up(ServerTrouble("again"))
    assert engine.error is not None
    assert engine.error.message == "no"


def test_urls_that_come_with_the_opening_are_used(engine: TransferEngine) -> None:
    engine.offer([SignedPart(n, f"url {n}") for n in (1, 2, 3, 7)])
    assert [item.part.number for item in moves(engine)] == [1, 2]
