# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The state of each part, and the queues in which parts wait for what comes next."""

import heapq
from collections import deque
from collections.abc import Collection

from oarepo_s3_client.states import PartEvent, PartState, next_part_state


class PartTable:
    """All parts of a transfer, counted from 1.

    Args:
        count: how many there are.
        arrived: numbers of those that are there.
        unchecked: numbers of those that are there and have to be compared.
    """

    def __init__(self, count: int, arrived: Collection[int], unchecked: Collection[int]):
        self._states = dict.fromkeys(range(1, count + 1), PartState.MISSING)
        self._states |= dict.fromkeys(unchecked, PartState.UNCHECKED) | dict.fromkeys(arrived, PartState.ARRIVED)
        self._missing = [number for number, state in self._states.items() if state is PartState.MISSING]
        self._to_check = deque(number for number, state in self._states.items() if state is PartState.UNCHECKED)
        self._waiting: list[tuple[float, int]] = []

    def change(self, number: int, event: PartEvent) -> None:
        """Let an event happen to a part, and put it into the queue of its new state.

        Raises:
            IllegalTransition: it cannot happen to it.
        """
        state = self._states[number] = next_part_state(self._states[number], event)
        if state is PartState.MISSING:
            heapq.heappush(self._missing, number)
        elif state is PartState.UNCHECKED:
            self._to_check.appendleft(number)

    def is_(self, number: int, state: PartState) -> bool:
        """Whether there is such a part in this state."""
        return self._states.get(number) is state

    @property
    def has_missing(self) -> bool:
        """Whether a part needs a URL."""
        return bool(self._missing)

    def take_missing(self, most: int) -> tuple[int, ...]:
        """The first parts that need a URL; it is being asked for now."""
        numbers = tuple(heapq.heappop(self._missing) for _ in range(min(most, len(self._missing))))
        for number in numbers:
            self.change(number, PartEvent.SIGN)
        return numbers

    def take(self, number: int) -> None:
        """This part needs a URL no more: it has come unasked."""
        self._missing.remove(number)
        heapq.heapify(self._missing)
        self.change(number, PartEvent.SIGN)

    def next_check(self) -> int | None:
        """The first part that is to be compared, None if there is none; it is being compared now."""
        if not self._to_check:
            return None
        number = self._to_check.popleft()
        self.change(number, PartEvent.CHECK)
        return number

    def wait(self, number: int, until: float) -> None:
        """A part has failed and is to be tried again at this time."""
        self.change(number, PartEvent.FAIL)
        heapq.heappush(self._waiting, (until, number))

    @property
    def next_due(self) -> float | None:
        """When the first waiting part is to be tried again."""
        return self._waiting[0][0] if self._waiting else None

    def pop_due(self, now: float) -> list[int]:
        """The parts whose wait is over; the caller says what happens to them."""
        due = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[1])
        return due
