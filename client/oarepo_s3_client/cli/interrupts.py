# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Ctrl-C and its relatives: the first asks to stop, the second stops."""

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from oarepo_s3_client.api import Cancel
from oarepo_s3_client.errors import Interrupted

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupts:
    """Turns signals into a cancellation, so that no part that is about to arrive is thrown away.

    Args:
        cancel: what the transfers look at.
        first: called once, at the first signal.
        second: called before the process ends at once, at the second one.
    """

    def __init__(self, cancel: Cancel, first: Callable[[], None], second: Callable[[], None]) -> None:
        self._cancel = cancel
        self._first = first
        self._second = second
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            # nohup and `&` of simple shells have it ignored on purpose; pausing is by SIGTERM, which they leave alone.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not self._cancel.cancelled:
            self._cancel.cancel()
            self._first()
            return
        # Worker threads would hold up an ordinary exit; the journal is safe against a process that is gone.
        try:
            self._second()
        finally:  # whether or not there is a terminal to say it on
            os._exit(Interrupted.exit_code)
