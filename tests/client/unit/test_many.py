# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Many small files without a server: what is done when, and how much of it at a time."""

import hashlib
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest

from oarepo_s3_client import Cancel, Options, UploadItem
from oarepo_s3_client.batch_work import IN_A_LANE, Alone, Complete, Gather, ManyWork, Open, Send, aged
from oarepo_s3_client.errors import FileChanged, Interrupted, SourceError
from oarepo_s3_client.events import Event
from oarepo_s3_client.flows import Blocking
from oarepo_s3_client.gathering import OnError
from oarepo_s3_client.journal import Entry
from oarepo_s3_client.many import BATCH, COMPLETIONS, KEPT_BYTES, ManyUploads
from oarepo_s3_client.plan import Part, Plan
from oarepo_s3_client.records import make_context
from oarepo_s3_client.sending import sort_arrived
from oarepo_s3_client.servers.batches import NoBatches
from oarepo_s3_client.servers.discovery import target_of
from oarepo_s3_client.servers.face import Completed, Opened, Wanted
from oarepo_s3_client.servers.protocol import Sleep
from oarepo_s3_client.small_files import KEPT_FILE, SmallFile, look_at
from oarepo_s3_client.work import SignedPart

TARGET = "https://host/records/1"


class FakeFace:
    """Takes everything at once, by itself or in lists."""

    name = "fake"
    one_put = True
    batch: ClassVar[int] = BATCH
    opened: ClassVar[list[int]] = []
    completed: ClassVar[list[int]] = []

    def __init__(self, target: Any, asking: Any) -> None:
        pass

    def files(self) -> Iterator[Any]:
        return []  # type: ignore[return-value]
        yield

    def open(self, key: str, size: int, part_size: int | None, content_md5: str | None = None) -> Iterator[Any]:
        return self._open(size)  # type: ignore[return-value]
        yield

    def open_many(self, wanted: Sequence[Wanted], part_size: int | None) -> Iterator[Any]:
        if len(wanted) > self.batch:
            raise NoBatches(self.batch)
        self.opened.append(len(wanted))
        return [self._open(one.size) for one in wanted]  # type: ignore[return-value]
        yield

    def complete(self, key: str, etags: Mapping[int, str]) -> Iterator[Any]:
        return Completed()  # type: ignore[return-value]
        yield

    def complete_many(self, etags: Mapping[str, Any]) -> Iterator[Any]:
        if len(etags) > self.batch:
            raise NoBatches(self.batch)
        self.completed.append(len(etags))
        return [Completed(f"md5:{parts[1]}") for parts in etags.values()]  # type: ignore[return-value]
        yield

    def _open(self, size: int) -> Opened:
        return Opened("u", Plan(size, max(1, size)), [SignedPart(1, "https://store/put")], {}, headers={"X": "y"})


class FakeStores:
    """Takes what is put."""

    def put(self, url: str, size: int, body: Any, owner: Any, headers: Any = None) -> str:
        digest = hashlib.md5()
        for block in body():
            digest.update(block)
        return digest.hexdigest()

    def stop(self, owner: Any) -> None:
        pass


@dataclass
class Run:
    """One run of many uploads, by a driver that ends the pieces of work in any order.

    Attributes:
        before: is called before each piece of work.
        most: the most pieces of work of each kind at a time.
    """

    many: ManyUploads
    random: Random
    before: Callable[[ManyWork], None] = lambda work: None
    most: dict[type, int] = field(default_factory=dict)
    running: list[ManyWork] = field(default_factory=list)

    def __call__(self) -> None:
        self._perform(self.many.begin())
        while not self._begin():
            if not self.running:
                assert self.many.due is not None, "nothing to do and nothing to wait for"
                continue
            work = self.running.pop(self.random.randrange(len(self.running)))
            try:
                self.before(work)
                outcome = self._perform(self.many.job(work))
            except Exception as error:
                outcome = error
            self.many.settle(work, outcome)

    def _begin(self) -> bool:
        self.running += self.many.next_work()
        for kind in {type(work) for work in self.running}:
            self.most[kind] = max(self.most.get(kind, 0), sum(type(work) is kind for work in self.running))
        return self.many.finished

    def _perform(self, flow: Any) -> Any:
        try:
            effect = next(flow)
            while True:
                if self.many.cancel.cancelled:
                    effect = flow.throw(Interrupted("Interrupted."))
                elif isinstance(effect, Blocking):
                    try:
                        result = effect.call()
                    except Exception as error:
                        effect = flow.throw(error)
                    else:
                        effect = flow.send(result)
                elif isinstance(effect, Sleep):
                    effect = flow.send(None)
                else:  # Lanes
                    self._move(effect.parts)
                    effect = flow.send(None)
        except StopIteration as end:
            return end.value

    def _move(self, parts: Any) -> None:
        while not parts.finished:
            for item in parts.next_work():
                parts.settle(item, self._perform(parts.job(item)))


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    monkeypatch.setattr(FakeFace, "opened", [])
    monkeypatch.setattr(FakeFace, "completed", [])

    def make(items: Any, on_error: OnError = "skip", seed: int = 1, **options: Any) -> Run:
        events: list[Event] = []
        context = make_context(Options(state_dir=tmp_path, **options), events.append, ssl.create_default_context())
        context.stores = FakeStores()  # type: ignore[assignment]
        context.faces[target_of(TARGET)] = FakeFace
        return Run(ManyUploads(context, items, TARGET, on_error, Cancel()), Random(seed))

    return make


def test_a_stream_of_items_goes_through_in_batches(
    make_run: Callable[..., Run], make_file: Callable[..., Path]
) -> None:
    path, taken, ahead = make_file(100), 0, 0

    def items() -> Iterator[UploadItem]:
        nonlocal taken, ahead
        for number in range(3000):
            taken += 1
            ahead = max(ahead, taken - len(run.many.report.uploaded))
            yield UploadItem(path, f"{number}.txt")

    run = make_run(items(), parallel=8)
    run()
    assert run.many.error is None
    assert len({one.key for one in run.many.report.uploaded}) == 3000
    assert ahead <= 6 * BATCH
    assert max(FakeFace.opened) <= BATCH
    assert len(FakeFace.opened) <= 3000 // BATCH * 1.5
    assert len(FakeFace.completed) <= 3000 // BATCH * 1.5
    assert run.most[Send] <= 8
    assert (run.most[Gather], run.most[Open]) == (1, 1)
    assert run.most[Complete] <= COMPLETIONS


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_results(make_run: Callable[..., Run], make_file: Callable[..., Path], seed: int) -> None:
    path, missing = make_file(10), Path("/missing")
    items = [UploadItem(missing if number % 7 == 3 else path, f"{number % 90}.txt") for number in range(100)]
    run = make_run(iter(items), seed=seed, parallel=1 + seed % 5)
    run()
    assert run.many.error is None
    assert len(run.many.report.uploaded) + len(run.many.report.failed) == 100
    assert {type(error) for _, error in run.many.report.failed} == {SourceError}
    assert len(run.many.report.failed) == sum(number % 7 == 3 for number in range(100))
    assert run.many._kept == 0
    assert not run.many._keys
    assert max(run.most.get(kind, 0) for kind in IN_A_LANE) <= 1 + seed % 5


def test_content_that_waits_has_a_limit(make_run: Callable[..., Run], make_file: Callable[..., Path]) -> None:
    path, most = make_file(KEPT_FILE), 0

    def note(work: ManyWork) -> None:
        nonlocal most
        most = max(most, run.many._kept)

    run = make_run(UploadItem(path, f"{number}.bin") for number in range(60))
    run.before = note
    run()
    assert len(run.many.report.uploaded) == 60
    assert KEPT_BYTES // 2 < most <= KEPT_BYTES


@pytest.mark.parametrize("limit", [1, 30])
def test_shorter_lists(
    make_run: Callable[..., Run], make_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(FakeFace, "batch", limit)
    path = make_file(10)
    run = make_run(UploadItem(path, f"{number}.txt") for number in range(300))
    run()
    assert len(run.many.report.uploaded) == 300
    assert max(FakeFace.opened, default=0) <= limit
    assert (Alone in run.most) is (limit == 1)


def test_lists_that_can_be_opened_but_not_completed(
    make_run: Callable[..., Run], make_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, etags: Any) -> Any:
        raise NoBatches

    monkeypatch.setattr(FakeFace, "complete_many", refuse)
    path = make_file(10)
    run = make_run(UploadItem(path, f"{number}.txt") for number in range(50))
    run()
    assert len(run.many.report.uploaded) == 50


@pytest.mark.parametrize("kind", [Gather, Open, Send, Complete])
def test_cancel_at_any_time(make_run: Callable[..., Run], make_file: Callable[..., Path], kind: type) -> None:
    path = make_file(10)

    def stop(work: ManyWork) -> None:
        if isinstance(work, kind):
            run.many.stop()
            run.many.stop()

    run = make_run(UploadItem(path, f"{number}.txt") for number in range(1000))
    run.before = stop
    run()
    assert isinstance(run.many.error, Interrupted)
    assert run.many.next_work() == ()


@pytest.mark.parametrize("kind", [Gather, Open, Send, Complete])
def test_a_bug_of_ours_is_no_failure_of_a_file(
    make_run: Callable[..., Run], make_file: Callable[..., Path], kind: type
) -> None:
    def break_(work: ManyWork) -> None:
        if isinstance(work, kind):
            raise ZeroDivisionError

    path = make_file(10)
    run = make_run(UploadItem(path, f"{number}.txt") for number in range(1000))
    run.before = break_
    run()
    assert isinstance(run.many.error, ZeroDivisionError)
    assert run.many.report.failed == []


# small files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 100])
def test_a_small_file_is_read_again_if_it_was_not_kept(make_file: Callable[..., Path], room: int) -> None:
    path, part = make_file(50), Part(1, 0, 50)
    small = look_at(path, 50, room, read=True)
    assert small is not None
    assert (small.md5, small.kept_bytes) == (hashlib.md5(path.read_bytes()).hexdigest(), 50 if room else 0)
    for _ in range(2):
        small.prepare(part)
        small.prepare(part)
        buffer = memoryview(bytearray(20))
        assert small.read(buffer, 40) == 10
        assert bytes(buffer[:10]) == path.read_bytes()[40:]
        small.release(part)
    assert small.kept_bytes == 0
    path.write_bytes(b"other")
    for call in (small.check, lambda: small.prepare(part)):
        with pytest.raises(FileChanged):
            call()
    path.unlink()
    with pytest.raises(FileChanged):
        small.check()


def test_what_is_not_small(make_file: Callable[..., Path]) -> None:
    path = make_file(50)
    assert look_at(path, 49, 100, read=True) is None
    unread = look_at(path, 50, 100, read=False)
    assert isinstance(unread, SmallFile)
    assert (unread.md5, unread.kept_bytes, unread.size) == (None, 0, 50)


# what is there already ------------------------------------------------------------------------------------------------

ONE, TWO = "0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"


def opened_with(arrived: dict[int, tuple[str, int]] | None, headers: Any = None) -> Opened:
    return Opened("u", Plan(10, 10 if headers else 5), [], arrived, headers=headers)


def entry_with(etags: dict[int, str], *, compared: bool = True) -> Entry:
    return Entry("t", "upload", "/p", TARGET, "k", 10, 5, "u", None, compared, etags)


@pytest.mark.parametrize(
    ("opened", "noted", "compare", "good", "unchecked"),
    [
        (opened_with({}), None, True, {}, {}),
        (opened_with(None), None, True, {}, {}),
        (opened_with(None), entry_with({1: ONE}), True, {1: ONE}, {}),
        (opened_with({1: (ONE, 5), 2: (TWO, 5)}), entry_with({1: ONE}), True, {1: ONE}, {2: TWO}),
        (opened_with({1: (ONE, 5)}), entry_with({1: ONE}, compared=False), True, {}, {1: ONE}),
        (opened_with({1: (ONE, 5)}), None, False, {1: ONE}, {}),
        (opened_with({1: (ONE, 4), 3: (TWO, 5)}), None, True, {}, {}),
        (opened_with({1: ("opaque", 5)}), None, True, {1: "opaque"}, {}),
        (opened_with({1: (ONE, 10)}, {"a": "b"}), None, True, {1: ONE}, {}),
        (opened_with({1: (TWO, 10)}, {"a": "b"}), None, True, {}, {1: TWO}),
    ],
)
def test_what_has_arrived_and_what_to_compare(
    opened: Opened, noted: Entry | None, compare: bool, good: dict[int, str], unchecked: dict[int, str]
) -> None:
    assert sort_arrived(opened, noted, ONE if opened.headers else None, compare=compare) == (good, unchecked)


def test_urls_grow_old_while_they_wait() -> None:
    signed = [SignedPart(1, "a", 10.0), SignedPart(2, "b", 2.0), SignedPart(3, "c", None)]
    assert aged(signed, 3.0) == [SignedPart(1, "a", 7.0), SignedPart(3, "c", None)]
