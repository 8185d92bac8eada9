# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A limit to the bytes a second, for all lanes together."""

import threading
from collections.abc import Callable
from time import monotonic

BLOCK = 1024 * 1024
"""Bytes that are read, hashed and sent at a time: enough that handing them to another thread costs little."""

SMALLEST_BLOCK = 4096


class Pacing:
    """A token bucket that holds a tenth of a second; thread-safe.

    Args:
        rate: bytes a second, None for no limit.
        clock: seconds that only go forward.
    """

    def __init__(self, rate: int | None, clock: Callable[[], float] = monotonic):
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()

    @property
    def block(self) -> int:
        """Bytes to send at a time, so that a slow rate does not come in gushes."""
        return BLOCK if self._rate is None else max(SMALLEST_BLOCK, min(BLOCK, self._rate // 10))

    def take(self, size: int) -> float:
        """Claim ``size`` bytes, and return the seconds to wait before they may be sent."""
        if self._rate is None:
            return 0.0
        with self._lock:
            now = self._clock()
            start = max(self._free_at, now - 0.1)
            self._free_at = start + size / self._rate
            return max(0.0, start - now)
