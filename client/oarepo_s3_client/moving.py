# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The parts of one transfer on their way: engine, events, journal and byte count together."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from time import monotonic

from oarepo_s3_client import api
from oarepo_s3_client.engine import TransferEngine
from oarepo_s3_client.errors import ClientError, Interrupted
from oarepo_s3_client.events import PartDone, Retry
from oarepo_s3_client.flows import Blocking, Context, Flow
from oarepo_s3_client.integrity import md5_of_part
from oarepo_s3_client.journal import SAVE_SECONDS, Entry
from oarepo_s3_client.plan import Part, Plan
from oarepo_s3_client.progress import ByteCount
from oarepo_s3_client.retries import Fault, FaultKind
from oarepo_s3_client.servers.face import Face
from oarepo_s3_client.states import TransferState
from oarepo_s3_client.stores import Stopped, StoreFault
from oarepo_s3_client.work import Arrived, Check, Move, Sign, SignedPart, Work


class MovingParts(ABC):
    """What uploads and downloads have in common.

    Args:
        context: of the client.
        face: of the repository.
        entry: the transfer's facts; its ETags are kept up to date.
        cancel: stops it.
        keep: whether the entry goes into the journal.
        arrived: see TransferEngine.
        unchecked: see TransferEngine.
    """

    def __init__(
        self,
        context: Context,
        face: Face,
        entry: Entry,
        cancel: api.Cancel,
        *,
        keep: bool,
        arrived: Mapping[int, str],
        unchecked: Mapping[int, str],
    ):
        self.context, self.face, self.entry, self.cancel = context, face, entry, cancel
        self.plan = Plan(entry.size, entry.part_size)
        self.count = ByteCount(entry.transfer, entry.key, entry.size, context.emit)
        self.engine = TransferEngine(
            self.plan,
            lanes=context.options.parallel,
            backoff=context.backoff,
            arrived=arrived,
            unchecked=unchecked,
        )
        for number in arrived:
            self.count.end(number, self.plan.part(number).size)
        self._resumed = self.plan.bytes_of({*arrived, *unchecked})
        self._keep, self._saved_at, self._stopped = keep, 0.0, False
        entry.etags = self.engine.etags

    # what a driver asks -----------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to do."""
        return self.engine.finished

    @property
    def due(self) -> float | None:
        """Seconds until there may be work without any result."""
        return self.engine.due

    def next_work(self) -> list[Work]:
        """What to begin now."""
        return self.engine.next_work(self.context.options.parallel)

    def job(self, item: Work) -> Flow[list[SignedPart] | Arrived | str]:
        """How a piece of work is done."""
        if isinstance(item, Sign):
            return (yield from self.sign(item.numbers))
        if isinstance(item, Check):
            md5: str = yield Blocking(lambda: md5_of_part(self._checked(item.part)))
            return md5
        arrived: Arrived = yield Blocking(lambda: self.move(item))
        return arrived

    def settle(self, item: Work, outcome: list[SignedPart] | Arrived | str | BaseException) -> None:
        """Take the result of a piece of work, or the exception."""
        fault = self._fault_of(outcome) if isinstance(outcome, BaseException) else None
        wait = 0.0
        if fault is not None:
            wait = self.engine.failed(item, fault)
        elif not isinstance(outcome, BaseException):
            fault = self.engine.done(item, outcome)
        if isinstance(item, Sign):
            return
        part = item.part
        if fault is None:
            self._part_done(item)
            return
        self.count.end(part.number)
        if fault.kind in (FaultKind.RETRY, FaultKind.EXPIRED, FaultKind.WRONG) and not self.engine.error:
            self.context.emit(Retry(self.entry.transfer, self.entry.key, part.number, fault.reason, round(wait, 3)))

    def stop(self) -> None:
        """Begin nothing more, and break off what is under way."""
        self._stopped = True
        self.engine.pause()
        self.context.stores.stop(self)

    # what the flow asks -----------------------------------------------------------------------------------------------

    @property
    def resumed_bytes(self) -> int:
        """Bytes that were there at the beginning, whether they were compared already or not."""
        return self._resumed

    def send_again(self, numbers: tuple[int, ...]) -> None:
        """Move these parts once more."""
        for number in numbers:
            if number in self.engine.etags:
                self.count.lose(self.plan.part(number).size)
        self.engine.again(numbers)

    def raise_unless_moved(self) -> None:
        """Raise why not all parts are there.

        Raises:
            ClientError: the transfer has failed.
            Interrupted: it was stopped.
        """
        self.save()
        if self.engine.error is not None:
            raise self.engine.error
        if self.engine.state is not TransferState.MOVED:
            raise Interrupted("Interrupted; what has arrived stays.")

    def save(self) -> None:
        """Write the journal."""
        if self._keep:
            self.context.journal.save(self.entry)
            self._saved_at = monotonic()

    # what the two do differently --------------------------------------------------------------------------------------

    @abstractmethod
    def sign(self, numbers: tuple[int, ...]) -> Flow[list[SignedPart]]:
        """Get URLs."""

    @abstractmethod
    def move(self, item: Move) -> Arrived:
        """Move a part; blocks."""

    @abstractmethod
    def local_blocks(self, part: Part) -> Iterator[memoryview]:
        """The part's bytes on this side."""

    @abstractmethod
    def release(self, part: Part) -> None:
        """The part is there for good."""

    # parts ------------------------------------------------------------------------------------------------------------

    def pace(self, number: int, size: int) -> None:
        """Wait until ``size`` more bytes of the part may go, and count them.

        Raises:
            Stopped: somebody has asked to stop.
        """
        wait = self.context.pacing.take(size)
        if wait:
            self.cancel.wait(wait)
        self.raise_if_stopped()
        self.count.add(number, size)

    def raise_if_stopped(self) -> None:
        """Raise Stopped when somebody has asked to stop."""
        if self._stopped or self.cancel.cancelled:
            raise Stopped

    def _checked(self, part: Part) -> Iterator[memoryview]:
        for block in self.local_blocks(part):
            self.raise_if_stopped()
            yield block

    def _part_done(self, item: Move | Check) -> None:
        part = item.part
        self.count.end(part.number, part.size)
        self.release(part)
        if self._keep and monotonic() - self._saved_at >= SAVE_SECONDS:
            self.save()
        attempt = item.attempt if isinstance(item, Move) else 0
        self.context.emit(PartDone(self.entry.transfer, self.entry.key, part.number, part.size, attempt))
        self.count.tell()

    def _fault_of(self, error: BaseException) -> Fault:
        if self._stopped or self.cancel.cancelled or isinstance(error, Stopped | Interrupted):
            return Fault(FaultKind.STOPPED, "stopped")
        if isinstance(error, StoreFault):
            return error.fault
        if isinstance(error, ClientError):
            return Fault(FaultKind.FATAL, error.message, error=error)
        raise error
