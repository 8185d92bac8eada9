# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""How many bytes are there: those of parts that have arrived, and those of attempts that still run."""

import threading
from collections.abc import Callable
from time import monotonic

from oarepo_s3_client.events import Event, Progress

SECONDS = 0.1
"""Events come at most so often."""


class ByteCount:
    """Counts for one transfer; thread-safe.

    Args:
        transfer: its id.
        key: of the file.
        size: bytes of the file.
        emit: takes the events.

    Attributes:
        moved: bytes that went over the wire, repeated ones as well.
    """

    def __init__(self, transfer: str, key: str, size: int, emit: Callable[[Event], None]):
        self._transfer, self._key, self._size, self._emit = transfer, key, size, emit
        self._lock = threading.Lock()
        self._arrived = 0
        self._under_way: dict[int, int] = {}
        self._next_event = 0.0
        self.moved = 0

    def begin(self, number: int) -> None:
        """An attempt at a part begins."""
        with self._lock:
            self._under_way[number] = 0

    def add(self, number: int, count: int) -> None:
        """So many more bytes of this attempt."""
        with self._lock:
            self._under_way[number] += count
            self.moved += count
            now = monotonic()
            if now < self._next_event:
                return
            self._next_event = now + SECONDS
        self.tell()

    def end(self, number: int, size: int = 0) -> None:
        """The attempt is over; ``size`` bytes have arrived by it."""
        with self._lock:
            self._under_way.pop(number, None)
            self._arrived += size

    def lose(self, size: int) -> None:
        """So many bytes that had arrived are not there."""
        with self._lock:
            self._arrived -= size

    def tell(self) -> None:
        """Emit what there is."""
        with self._lock:
            there = self._arrived + sum(self._under_way.values())
        self._emit(Progress(self._transfer, self._key, there, self._size))
