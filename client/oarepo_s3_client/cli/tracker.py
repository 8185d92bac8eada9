# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What is known of the running transfers, from their events; drawn by the displays."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from oarepo_s3_client import events

WINDOW_SECONDS = 10.0
"""Speed is that of the last so many seconds: steady enough to read, and still a change is seen at once."""


class Meter:
    """Speed over a moving window."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, transferred: int) -> None:
        """Note how many bytes have gone over the wire in all."""
        if self._samples and now - self._samples[-1][0] < WINDOW_SECONDS / 100:
            self._samples[-1] = (self._samples[-1][0], transferred)
        else:
            self._samples.append((now, transferred))
        while len(self._samples) > 2 and now - self._samples[1][0] >= WINDOW_SECONDS:
            self._samples.popleft()

    def rate(self, now: float) -> float | None:
        """Bytes a second, None while there is too little to tell."""
        if not self._samples:
            return None
        (began, before), (_, after) = self._samples[0], self._samples[-1]
        return max(0, after - before) / (now - began) if now - began >= 0.5 else None


@dataclass
class Transfer:
    """One running transfer. ``note`` says what it waits for; ``resumed`` bytes had arrived before."""

    key: str
    size: int
    resumed: int = 0
    bytes: int = 0
    finishing: bool = False
    note: str = ""
    meter: Meter = field(default_factory=Meter)


@dataclass(frozen=True)
class Totals:
    """All transfers together; ``rate`` in bytes a second and ``left`` in seconds are None while unknown."""

    done: int
    failed: int
    files: int
    bytes: int
    size: int
    rate: float | None
    left: float | None


class Tracker:
    """Follows the events of any number of transfers; threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._running: dict[str, Transfer] = {}
        self._expected = (0, 0)
        self._seen_files = self._seen_bytes = 0
        self._done = self._failed = 0
        self._ended_bytes = self._ended_resumed = 0
        self._meter = Meter()

    def expect(self, files: int, size: int) -> None:
        """Say in advance how much there will be, in files and bytes."""
        with self._lock:
            self._expected = (files, size)

    def apply(self, event: events.Event) -> None:
        """Take in what has happened."""
        with self._lock:
            match event:
                case events.Started():
                    self._start(event)
                case events.Progress():
                    self._progress(event)
                case events.Retry(transfer=transfer) if transfer in self._running:
                    where = "" if event.part is None else f"part {event.part} "
                    self._running[transfer].note = f"{where}again in {event.wait:.0f} s ({event.reason})"
                case events.Finishing(transfer=transfer) if transfer in self._running:
                    self._running[transfer].finishing = True
                case events.Finished():
                    self._end(event.transfer, event.size)
                    self._done += 1
                case events.Failed():
                    self._end(event.transfer, None)
                    self._failed += 1

    def running(self) -> list[tuple[Transfer, float | None]]:
        """The running transfers with their rates, the oldest first."""
        now = self._clock()
        with self._lock:
            return [(transfer, transfer.meter.rate(now)) for transfer in self._running.values()]

    def runs(self, name: str) -> bool:
        """Whether this transfer is running, so that its ``note`` says what it waits for."""
        with self._lock:
            return name in self._running

    def totals(self) -> Totals:
        """The sums of now."""
        now = self._clock()
        with self._lock:
            files, size = (max(pair) for pair in zip(self._expected, (self._seen_files, self._seen_bytes), strict=True))
            sent = self._ended_bytes + sum(transfer.bytes for transfer in self._running.values())
            rate = self._meter.rate(now)
            left = (size - sent) / rate if rate else None
            return Totals(self._done, self._failed, files, min(sent, size), size, rate, left)

    def _start(self, event: events.Started) -> None:
        self._seen_files += event.transfer not in self._running
        self._seen_bytes += event.size if event.transfer not in self._running else 0
        transfer = Transfer(event.key, event.size, event.resumed_bytes, event.resumed_bytes)
        transfer.meter.add(self._clock(), 0)
        self._running[event.transfer] = transfer
        self._measure()

    def _progress(self, event: events.Progress) -> None:
        transfer = self._running.get(event.transfer)
        if transfer is None:
            return
        transfer.bytes = max(0, min(event.bytes, transfer.size))
        transfer.note = ""
        transfer.meter.add(self._clock(), transfer.bytes - transfer.resumed)
        self._measure()

    def _end(self, name: str | None, size: int | None) -> None:
        transfer = self._running.pop(name or "", None)
        if transfer is None:  # it was there before, and nothing of it had to move
            self._ended_bytes += size or 0
            self._ended_resumed += size or 0
        else:
            # What a failed transfer has sent stays counted, or the total would run backwards.
            self._ended_bytes += transfer.bytes if size is None else size
            self._ended_resumed += transfer.resumed
        self._measure()

    def _measure(self) -> None:
        sent = self._ended_bytes + sum(transfer.bytes for transfer in self._running.values())
        resumed = self._ended_resumed + sum(transfer.resumed for transfer in self._running.values())
        self._meter.add(self._clock(), sent - resumed)
