# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What is known of running transfers."""

from oarepo_s3_client import events
from oarepo_s3_client.cli.tracker import Meter, Tracker

MIB = 2**20


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def started(key: str, size: int, resumed: int = 0) -> events.Started:
    return events.Started(f"id-{key}", key, size, 4, size // 4, resumed, "records_files")


def progress(key: str, done: int, size: int) -> events.Progress:
    return events.Progress(f"id-{key}", key, done, size)


def finished(key: str, size: int) -> events.Finished:
    return events.Finished(f"id-{key}", key, size, None, 1.0, size)


def test_speed_is_that_of_the_window_without_what_was_there_before() -> None:
    clock = Clock()
    tracker = Tracker(clock)
    tracker.apply(started("a", 100 * MIB, resumed=50 * MIB))
    for second in range(1, 21):
        clock.now = 100.0 + second
        tracker.apply(progress("a", 50 * MIB + second * MIB, 100 * MIB))
    ((transfer, rate),) = tracker.running()
    totals = tracker.totals()
    assert (transfer.bytes, rate) == (70 * MIB, MIB)
    assert (totals.bytes, totals.size, totals.rate, totals.left) == (70 * MIB, 100 * MIB, MIB, 30.0)


def test_bytes_never_exceed_the_file() -> None:
    tracker = Tracker(Clock())
    tracker.apply(started("a", 10))
    tracker.apply(progress("a", 15, 10))
    assert tracker.running()[0][0].bytes == 10
    assert tracker.totals().bytes == 10


def test_bytes_of_a_repeated_part_are_taken_off() -> None:
    tracker = Tracker(Clock())
    tracker.apply(started("a", 10))
    tracker.apply(progress("a", 8, 10))
    tracker.apply(progress("a", 4, 10))
    assert tracker.totals().bytes == 4


def test_total_counts_done_failed_and_skipped() -> None:
    tracker = Tracker(Clock())
    tracker.expect(4, 40)
    for key in "abc":
        tracker.apply(started(key, 10))
    tracker.apply(finished("a", 10))
    tracker.apply(progress("b", 5, 10))
    tracker.apply(events.Failed("id-b", "b", "failed", "No.", ""))
    tracker.apply(finished("d", 10))
    totals = tracker.totals()
    assert (totals.done, totals.failed, totals.files) == (2, 1, 4)
    assert (totals.bytes, totals.size) == (25, 40)
    assert [transfer.key for transfer, _ in tracker.running()] == ["c"]


def test_phases() -> None:
    tracker = Tracker(Clock())
    tracker.apply(started("a", 10))
    transfer = tracker.running()[0][0]
    tracker.apply(events.Retry("id-a", "a", 3, "503", 2.0))
    assert transfer.note == "part 3 again in 2 s (503)"
    tracker.apply(progress("a", 10, 10))
    assert transfer.note == ""
    tracker.apply(events.Retry("id-a", "a", None, "no answer", 1.0))
    assert transfer.note == "again in 1 s (no answer)"
    tracker.apply(events.Finishing("id-a", "a"))
    assert transfer.finishing


def test_events_of_unknown_transfers_change_nothing() -> None:
    tracker = Tracker(Clock())
    tracker.apply(progress("a", 5, 10))
    tracker.apply(events.Retry("id-a", "a", 1, "503", 1.0))
    tracker.apply(events.Finishing("id-a", "a"))
    assert tracker.running() == []
    assert tracker.totals().bytes == 0


def test_meter_knows_nothing_at_first() -> None:
    meter = Meter()
    assert meter.rate(1.0) is None
    meter.add(1.0, 0)
    meter.add(1.05, 10)
    assert meter.rate(1.1) is None


def test_meter_forgets_what_is_long_ago() -> None:
    meter = Meter()
    meter.add(0.0, 0)
    meter.add(1.0, 1000)
    for second in range(2, 20):
        meter.add(float(second), 1000)
    assert meter.rate(20.0) == 0
