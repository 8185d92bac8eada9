# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Which part is to be moved next, and what a result means. No I/O, no threads, no sleep: the faces do these.

The same engine serves uploads (a part is put to its URL) and downloads (a part is a range that is fetched).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic

from oarepo_s3_client.errors import ClientError, IntegrityError, ServerTrouble
from oarepo_s3_client.integrity import composite_etag, is_md5
from oarepo_s3_client.part_table import PartTable
from oarepo_s3_client.plan import Plan
from oarepo_s3_client.retries import Backoff, Fault, FaultKind
from oarepo_s3_client.states import PartEvent, PartState, TransferEvent, TransferState, next_transfer_state
from oarepo_s3_client.urls import UrlShelf
from oarepo_s3_client.work import Arrived, Check, Move, Sign, SignedPart, Work

MISMATCHES = 3
"""How often a part may arrive damaged before that is no accident."""


class TransferEngine:
    """All parts of one transfer; to be used by one thread.

    Args:
        plan: the parts.
        lanes: how many parts may be on the move at a time.
        backoff: attempts and waits.
        arrived: ETags of parts that are known to be there.
        unchecked: ETags of parts that are there, to be compared with the local bytes.
        clock: seconds that only go forward.

    Attributes:
        state: of the whole.
        etags: number -> ETag of each part that has arrived.
        error: why the transfer has failed, None as long as it has not.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        lanes: int,
        backoff: Backoff,
        arrived: Mapping[int, str] | None = None,
        unchecked: Mapping[int, str] | None = None,
        clock: Callable[[], float] = monotonic,
    ):
        self.plan = plan
        self.state = TransferState.MOVING
        self.etags: dict[int, str] = dict(arrived or {})
        self.error: ClientError | None = None
        self._lanes, self._backoff, self._clock = lanes, backoff, clock
        self._unchecked = dict(unchecked or {})
        self._parts = PartTable(plan.parts_count, self.etags, self._unchecked)
        self._urls = UrlShelf(lanes)
        self._attempts: dict[int, int] = {}
        self._mismatches: dict[int, int] = {}
        self._refreshed: set[int] = set()
        self._moving, self._signing, self._asked_at = 0, False, 0.0
        self._troubles, self._held_until = 0, 0.0
        self._note_end()

    # what to do -------------------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """How much work was handed out whose result is not known yet."""
        return self._moving + self._signing

    @property
    def finished(self) -> bool:
        """Whether nothing is to be done any more: all parts are there, or nothing can go on or come in."""
        return self.state is TransferState.MOVED or (self.state is not TransferState.MOVING and not self.in_flight)

    @property
    def due(self) -> float | None:
        """Seconds until there may be work again without any result coming in; None if nothing waits for time alone."""
        now, next_due = self._clock(), self._parts.next_due
        if self._held_until > now:
            return self._held_until - now
        return None if next_due is None else max(0.0, next_due - now)

    def next_work(self, n: int) -> list[Work]:
        """Up to ``n`` parts to move or to check, and beside them at most one request for URLs."""
        if self.state is not TransferState.MOVING:
            return []
        self._wake()
        work: list[Work] = []
        for _ in range(min(n, self._lanes - self._moving)):
            item = self._next_check() or self._next_move()
            if item is None:
                break
            self._moving += 1
            work.append(item)
        if not self._signing and self._parts.has_missing and self._urls.is_low:
            self._signing, self._asked_at = True, self._clock()
            work.append(Sign(self._parts.take_missing(self._urls.next_window())))
        return work

    def offer(self, signed: Sequence[SignedPart]) -> None:
        """Take URLs that came unasked, such as with the answer to the opening."""
        self._asked_at = self._clock()
        self._urls.begin_answer()
        for part in signed:
            if self._parts.is_(part.number, PartState.MISSING):
                self._parts.take(part.number)
                self._take_url(part)

    def pause(self) -> None:
        """Hand out nothing more; what is under way may end."""
        if self.state is TransferState.MOVING:
            self._transfer(TransferEvent.PAUSE)

    def resume(self) -> None:
        """Go on after a pause."""
        if self.state is TransferState.PAUSED:
            self._transfer(TransferEvent.RESUME)

    def again(self, numbers: Collection[int]) -> None:
        """Move these parts once more, although they had arrived: the repository misses them, or finds them wrong."""
        for number in numbers:
            if self._parts.is_(number, PartState.ARRIVED):
                self._parts.change(number, PartEvent.LOSE)
                del self.etags[number]
        if self.state is TransferState.MOVED and len(self.etags) < self.plan.parts_count:
            self._transfer(TransferEvent.LOSE)

    def give_up(self, error: ClientError) -> None:
        """End the transfer with an error; what is under way may end."""
        if self.state in (TransferState.MOVING, TransferState.PAUSED):
            self.error = error
            self._transfer(TransferEvent.FAIL)

    @property
    def composite(self) -> str | None:
        """The ETag that the whole will have, None as long as parts are missing or where ETags are no MD5."""
        if len(self.etags) < self.plan.parts_count:
            return None
        return composite_etag(self.etags[number] for number in range(1, self.plan.parts_count + 1))

    # what became of it ------------------------------------------------------------------------------------------------

    def done(self, item: Work, result: Sequence[SignedPart] | Arrived | str) -> Fault | None:
        """Take the result of a piece of work; the fault that it turned out to be, None if it is good."""
        if isinstance(item, Sign):
            assert not isinstance(result, Arrived | str)
            return self._signed(item, result)
        if isinstance(item, Check):
            return self._checked(item, str(result))
        assert isinstance(result, Arrived)
        if result.md5 is not None and is_md5(result.etag) and result.md5 != result.etag:
            fault = Fault(FaultKind.WRONG, "the store has other bytes than were sent")
            self.failed(item, fault)
            return fault
        self._moving -= 1
        self._troubles = 0
        self._arrive(item.part.number, result.etag, PartEvent.ARRIVE)
        return None

    def failed(self, item: Work, fault: Fault) -> float:
        """Take the failure of a piece of work; the seconds until it is tried again at the earliest."""
        if isinstance(item, Sign):
            self._signing = False
            for number in item.numbers:
                self._to_missing(number, PartEvent.NOT_SIGNED)
            self._give_up_if_final(fault)
            return 0.0
        self._moving -= 1
        if isinstance(item, Check):
            self._parts.change(item.part.number, PartEvent.GIVE_BACK)
            self._give_up_if_final(fault)
            return 0.0
        return self._not_moved(item.part.number, fault)

    def _not_moved(self, number: int, fault: Fault) -> float:
        if fault.kind is FaultKind.EXPIRED:
            for stale in self._urls.expired(number):
                self._to_missing(stale, PartEvent.EXPIRE)
            if number not in self._refreshed:
                self._refreshed.add(number)
                return self._to_missing(number, PartEvent.EXPIRE)
        elif fault.kind is FaultKind.WRONG:
            self._mismatches[number] = self._mismatches.get(number, 0) + 1
            if self._mismatches[number] >= MISMATCHES:
                self.give_up(_damaged(number))
            return self._to_missing(number, PartEvent.GIVE_BACK)
        elif fault.kind is not FaultKind.RETRY:
            self._give_up_if_final(fault)
            return self._to_missing(number, PartEvent.GIVE_BACK)
        return self._try_later(number, fault)

    def _try_later(self, number: int, fault: Fault) -> float:
        self._troubles += 1
        attempt = self._attempts[number] = self._attempts.get(number, 0) + 1
        if attempt >= self._backoff.attempts:
            self.give_up(ServerTrouble(f"Part {number} could not be moved in {attempt} attempts: {fault.reason}."))
        wait = self._backoff.wait(attempt, fault.retry_after)
        until = self._clock() + wait
        if fault.retry_after is not None or self._troubles >= self._lanes:
            # It is not this part's trouble but everybody's: the others would only use up their attempts.
            self._held_until = max(self._held_until, until)
        self._parts.wait(number, until)
        if fault.kind is FaultKind.EXPIRED:
            self._urls.drop(number)
        return wait

    def _give_up_if_final(self, fault: Fault) -> None:
        if fault.kind is not FaultKind.STOPPED:
            self.give_up(fault.error or ServerTrouble(f"The transfer has failed: {fault.reason}."))

    # URLs -------------------------------------------------------------------------------------------------------------

    def _signed(self, item: Sign, signed: Sequence[SignedPart]) -> Fault | None:
        self._signing = False
        self._urls.begin_answer()
        wanted = set(item.numbers)
        for part in signed:
            if part.number in wanted:
                wanted.remove(part.number)
                self._take_url(part)
        for number in wanted:
            self._to_missing(number, PartEvent.NOT_SIGNED)
        if not wanted:
            return None
        error = ServerTrouble("The repository does not give the URLs that it was asked for.")
        fault = Fault(FaultKind.FATAL, "URLs are missing", error=error)
        self._give_up_if_final(fault)
        return fault

    def _take_url(self, part: SignedPart) -> None:
        self._parts.change(part.number, PartEvent.SIGNED)
        self._urls.add(part, self._asked_at)

    # parts ------------------------------------------------------------------------------------------------------------

    def _next_check(self) -> Check | None:
        number = self._parts.next_check()
        return None if number is None else Check(self.plan.part(number), self._unchecked[number])

    def _next_move(self) -> Move | None:
        if self._held_until > self._clock():
            return None
        while self._urls.has_ready:
            number, url = self._urls.pop(self._clock())
            if url is None:
                self._to_missing(number, PartEvent.EXPIRE)
                continue
            self._parts.change(number, PartEvent.MOVE)
            tries = self._attempts.get(number, 0) + self._mismatches.get(number, 0) + (number in self._refreshed)
            return Move(self.plan.part(number), url.text, tries + 1)
        return None

    def _wake(self) -> None:
        """Bring back the parts whose wait is over."""
        for number in self._parts.pop_due(self._clock()):
            if self._urls.has(number):
                self._parts.change(number, PartEvent.DUE)
                self._urls.make_ready(number)
            else:
                self._to_missing(number, PartEvent.EXPIRE)

    def _checked(self, item: Check, md5: str) -> Fault | None:
        self._moving -= 1
        if md5 == item.etag:
            self._arrive(item.part.number, item.etag, PartEvent.MATCH)
            return None
        self._to_missing(item.part.number, PartEvent.DIFFER)
        return Fault(FaultKind.WRONG, "the store has other bytes than the file")

    def _arrive(self, number: int, etag: str, event: PartEvent) -> None:
        self._parts.change(number, event)
        self.etags[number] = etag
        self._urls.drop(number)
        self._note_end()

    def _to_missing(self, number: int, event: PartEvent) -> float:
        self._parts.change(number, event)
        self._urls.drop(number)
        return 0.0

    def _transfer(self, event: TransferEvent) -> None:
        self.state = next_transfer_state(self.state, event)

    def _note_end(self) -> None:
        if len(self.etags) == self.plan.parts_count and self.state in (TransferState.MOVING, TransferState.PAUSED):
            self._transfer(TransferEvent.LAST_ARRIVED)


def _damaged(number: int) -> IntegrityError:
    return IntegrityError(
        f"Part {number} has arrived damaged {MISMATCHES} times.",
        hint="Something on the way changes the data. If the store encrypts by keys of its own, so that its ETags are "
        "no MD5, use --no-part-md5.",
    )
