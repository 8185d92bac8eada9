# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Shows how far a transfer is: a bar on a terminal, a few plain lines elsewhere."""

import threading
import time
from typing import TextIO

from .sizes import format_bytes

WIDTH = 30
REDRAW_SECONDS = 0.03
PLAIN_STEP = 0.25


class Progress:
    """Progress of one transfer; threads may share it."""

    def __init__(self, total: int, output: TextIO) -> None:
        """Count up to ``total`` bytes and show them on ``output``."""
        self._total = total
        self._output = output
        self._terminal = output.isatty()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._done = 0
        self._shown_at = 0.0
        self._next_step = PLAIN_STEP

    def add(self, count: int) -> None:
        """So many bytes more have gone; negative when they have to go again."""
        with self._lock:
            self._done += count
            if self._terminal:
                self._redraw(last=self._done >= self._total)
            elif self._done >= self._next_step * self._total:
                self._next_step = self._done // (PLAIN_STEP * self._total) * PLAIN_STEP + PLAIN_STEP
                print(f"  {self._facts()}", file=self._output, flush=True)

    def _redraw(self, *, last: bool) -> None:
        now = time.monotonic()
        if not last and now - self._shown_at < REDRAW_SECONDS:
            return
        self._shown_at = now
        filled = int(WIDTH * self._done / self._total)
        bar = "█" * filled + "░" * (WIDTH - filled)
        print(f"\r  {bar} {self._facts()}\033[K", end="\n" if last else "", file=self._output, flush=True)

    def _facts(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-3)
        done = format_bytes(self._done)
        return f"{100 * self._done // self._total:3d} %  {done:>9}  {format_bytes(self._done / seconds)}/s"
