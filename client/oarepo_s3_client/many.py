# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Many files: a stream of items, some at a time; one bad file does not stop the others.

Small files are opened and completed in batches. While the files of one batch are put, each by one lane, the next batch
is opened and the previous one completed. All others go as if each were alone.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, TypeVar

from oarepo_s3_client import api
from oarepo_s3_client.batch_work import (
    IN_A_LANE,
    Alone,
    Complete,
    Finish,
    Gather,
    ManyWork,
    Open,
    Send,
    complete,
    finish,
    send,
)
from oarepo_s3_client.errors import ClientError, FileChanged, Interrupted, NotAuthorised, SourceError, UsageError
from oarepo_s3_client.flows import Blocking, Context, Flow
from oarepo_s3_client.gathering import Gathered, Gathering, One, OnError
from oarepo_s3_client.servers.batches import NoBatches
from oarepo_s3_client.servers.discovery import target_of
from oarepo_s3_client.servers.face import ByItself, Completed, CompleteResult, Face, Opened, OpenResult
from oarepo_s3_client.servers.protocol import Sleep

Result = TypeVar("Result")

BATCH = 250
"""Files of a batch, unless the repository takes fewer: its own limit by default."""

KEPT_BYTES = 16 * 2**20
"""Content of files that wait, all together."""

COMPLETIONS = 2
"""Batches that are completed at a time: the repository asks the store for each of their files, which takes longest."""

PATIENCE = 1.0
"""Seconds that a file which has arrived waits for others to be completed with."""


class ManyUploads:
    """Says what is to be done next, and takes the results; by one thread.

    Args:
        context: of the client.
        items: are taken as they are needed, some ahead.
        target: address of the record.
        on_error: ``raise`` stops at the first error, ``skip`` notes it and goes on.
        cancel: stops it.
    """

    def __init__(
        self, context: Context, items: Iterable[api.UploadItem], target: str, on_error: OnError, cancel: api.Cancel
    ):
        self._context, self._target, self._on_error = context, target_of(target), on_error
        self.cancel = cancel
        self._gathering = Gathering(context, items, target, on_error, cancel, lambda key: key in self._keys)
        self._face: Face
        self._ready: deque[One] = deque()
        self._opened: deque[One] = deque()
        self._arrived: deque[One] = deque()
        self._alone: deque[Alone | Finish] = deque()
        self._running: list[ManyWork] = []
        self._keys: set[str] = set()
        self._batch, self._kept, self._arrived_at = BATCH, 0, 0.0
        self._at_end = self._stopped = False
        self.report = api.Report()
        self.error: BaseException | None = None

    def begin(self) -> Flow[None]:
        """Ask once which files the record has."""
        self._face, files = yield from self._context.discover(self._target, self._context.asking("", ""))
        self._gathering.know(files)

    # what a driver asks -----------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to do."""
        waiting = self._ready or self._opened or self._arrived or self._alone
        return not self._running and (self._stopped or (self._at_end and not waiting))

    @property
    def due(self) -> float | None:
        """Seconds until those that have arrived should not wait any longer."""
        if not self._arrived or self._runs(Complete):
            return None
        return max(0.0, self._arrived_at + PATIENCE - monotonic())

    def next_work(self) -> Sequence[ManyWork]:
        """What to begin now."""
        if self._stopped:
            return ()
        work: list[ManyWork] = []
        if self._is_time_to_complete():
            work.append(Complete(self._first(self._arrived)))
        if self._is_time_to_open():
            work.append(Open(self._first(self._ready)))
        if self._is_time_to_gather():
            work.append(Gather(KEPT_BYTES - self._kept))
        lanes = self._context.options.parallel - sum(isinstance(one, IN_A_LANE) for one in self._running)
        for _ in range(lanes):
            if self._opened:
                work.append(Send(self._opened.popleft()))
            elif self._alone:
                work.append(self._alone.popleft())
        self._running += work
        return work

    def job(self, work: ManyWork) -> Flow[Any]:
        """How a piece of work is done."""
        match work:
            case Gather(room):
                return (yield Blocking(lambda: self._gathering.next(self._face, room)))
            case Open(files):
                wanted = [one.wanted for one in files]
                return (yield from self._face.open_many(wanted, self._context.options.part_size))
            case Send(one):
                return (yield from send(one))
            case Complete(files):
                return (yield from complete(self._face, files))
            case Alone(one):
                if one.wait:
                    yield Sleep(one.wait)
                return (yield from one.upload.run(one.opened))
            case Finish(one):
                return (yield from finish(one))

    def settle(self, work: ManyWork, outcome: Any) -> None:
        """Take the result of a piece of work, or the exception."""
        self._running.remove(work)
        match work:
            case Gather():
                self._take_gathered(outcome)
            case Open(files):
                self._take_opened(files, outcome)
            case Send(one):
                self._take_sent(one, outcome)
            case Complete(files):
                self._take_completed(files, outcome)
            case Finish(one) if isinstance(outcome, ClientError):
                self._fail(one, outcome)
            case Alone(one) | Finish(one):
                self._end(one, outcome)

    def stop(self) -> None:
        """Begin nothing more, and break off what is under way."""
        if self._stopped:
            return
        self._stopped = True
        self.error = self.error or Interrupted("Interrupted; what has arrived stays.")
        self.cancel.cancel()
        for work in self._running:
            if isinstance(work, Send) and work.one.parts is not None:
                self._context.stores.stop(work.one.parts)

    # when -------------------------------------------------------------------------------------------------------------

    def _runs(self, *kinds: type[ManyWork]) -> bool:
        return any(isinstance(work, kinds) for work in self._running)

    def _is_time_to_complete(self) -> bool:
        running = sum(isinstance(work, Complete) for work in self._running)
        full = len(self._arrived) >= self._batch
        if not self._arrived or running:
            return full and running < COMPLETIONS
        idle = not self._opened and not self._runs(Send)
        return idle or full or monotonic() >= self._arrived_at + PATIENCE

    def _is_time_to_open(self) -> bool:
        """Early enough that no lane waits, and late enough that the batch is full if there are so many files."""
        if not self._ready or self._runs(Open) or len(self._opened) >= self._batch:
            return False
        return self._at_end or len(self._ready) >= self._batch or len(self._opened) < self._context.options.parallel

    def _is_time_to_gather(self) -> bool:
        return not self._at_end and not self._runs(Gather) and not self._alone and len(self._ready) < self._batch

    def _first(self, waiting: deque[One]) -> list[One]:
        return [waiting.popleft() for _ in range(min(self._batch, len(waiting)))]

    # results ----------------------------------------------------------------------------------------------------------

    def _take_gathered(self, outcome: Gathered | BaseException) -> None:
        if isinstance(outcome, BaseException):
            self._give_up(outcome)
            return
        for one in outcome.files:
            self._keys.add(one.upload.key)
            self._kept += one.kept
            self._ready.append(one)
            if one.small is None or self._batch == 1:
                self._go_alone(self._ready.pop())
        self._at_end = self._at_end or outcome.at_end
        for item, ended in outcome.ended:
            self._note(item, ended)
        if outcome.error is not None:
            self.error = self.error or outcome.error

    def _take_opened(self, files: list[One], outcome: list[OpenResult] | BaseException) -> None:
        if isinstance(outcome, NoBatches):
            self._batch = outcome.limit
            self._ready.extendleft(reversed(files))
            while self._batch == 1 and self._ready:
                self._go_alone(self._ready.popleft())
            return
        for one, result in zip(files, _each(outcome, files), strict=True):
            match result:
                case Opened(headers=None):
                    if one.small is not None and one.small.md5 is not None:
                        self._context.note_plan(self._target, one.small.size)
                    self._go_alone(one, opened=result)
                case Opened():
                    one.opened, one.opened_at = result, monotonic()
                    self._opened.append(one)
                case ByItself(seconds):
                    self._go_alone(one, seconds)
                case _:
                    self._fail(one, result)

    def _go_alone(self, one: One, wait: float = 0.0, opened: Opened | None = None) -> None:
        self._kept -= one.kept
        one.small, one.kept, one.wait, one.opened = None, 0, wait, opened
        self._alone.append(Alone(one))

    def _take_sent(self, one: One, outcome: BaseException | None) -> None:
        if outcome is not None:
            self._fail(one, outcome)
            return
        self._kept -= one.kept
        one.kept = 0
        if not self._arrived:
            self._arrived_at = monotonic()
        self._arrived.append(one)

    def _take_completed(self, files: list[One], outcome: list[CompleteResult] | BaseException) -> None:
        if isinstance(outcome, NoBatches):
            outcome = [ByItself()] * len(files)
        for one, result in zip(files, _each(outcome, files), strict=True):
            match result:
                case Completed(again=()):
                    self._compare(one, result)
                case Completed() | ByItself():
                    one.wait = result.seconds if isinstance(result, ByItself) else 0.0
                    self._alone.append(Finish(one))
                case _:
                    self._fail(one, result)

    def _compare(self, one: One, completed: Completed) -> None:
        assert one.parts is not None
        try:
            self._end(one, one.upload.end_completed(one.parts, completed))
        except ClientError as error:
            self._fail(one, error)

    def _fail(self, one: One, error: BaseException) -> None:
        if isinstance(error, ClientError):
            one.upload.tell_failed(error)
        self._end(one, error)

    def _end(self, one: One, outcome: api.Uploaded | BaseException) -> None:
        self._kept -= one.kept
        self._keys.discard(one.upload.key)
        self._note(one.item, outcome)

    def _note(self, item: api.UploadItem, outcome: api.Uploaded | BaseException) -> None:
        if isinstance(outcome, api.Uploaded):
            self.report.uploaded.append(outcome)
        elif isinstance(outcome, ClientError) and not self._ends_all(outcome):
            self.report.failed.append((item, outcome))
        else:
            self._give_up(outcome)

    def _ends_all(self, error: ClientError) -> bool:
        return self._on_error == "raise" or isinstance(error, Interrupted | NotAuthorised)

    def _give_up(self, error: BaseException) -> None:
        """Take no more files. Those before one that cannot be read still go."""
        self.error = self.error or error
        self._at_end = True
        if not isinstance(error, SourceError | FileChanged | UsageError):
            for waiting in (self._ready, self._opened, self._alone):
                waiting.clear()


def _each(outcome: Sequence[Result] | BaseException, files: list[One]) -> Sequence[Result | BaseException]:
    """The result for each file; an error is that of all."""
    return [outcome] * len(files) if isinstance(outcome, BaseException) else outcome
