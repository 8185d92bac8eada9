# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Plain lines, for logs and everything else that is no terminal."""

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from oarepo_s3_client import events
from oarepo_s3_client.cli import display
from oarepo_s3_client.cli.texts import count_text, duration_text, left_text, percent, printable, rate_text, size_text
from oarepo_s3_client.cli.tracker import Totals, Tracker
from oarepo_s3_client.errors import ClientError

EVERY_SECONDS = 15.0
"""How often a line says how far everything is."""


class Lines:
    """One line for each file that is done, and one now and then for the whole."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tracker = Tracker(clock)
        self._notices = display.NoticeCounter()
        self._lock = Lock()
        self._next = clock() + EVERY_SECONDS

    def expect(self, files: int, size: int) -> None:
        """Begin with how much there will be."""
        self._tracker.expect(files, size)
        if files > 1:
            self._say(f"{count_text(files, 'file')}, {size_text(size)}")

    def event(self, event: events.Event) -> None:
        """Say what is worth a line."""
        self._tracker.apply(event)
        match event:
            case events.Started() if self._tracker.totals().files <= display.FEW_FILES:
                self._say(started_line(event))
            case events.Progress():
                self._say_totals()
            case events.Retry():
                self._say(retry_line(event))
            case events.Finishing() if self._tracker.totals().files == 1:
                self._say(f"{printable(event.key)}: finishing")
            case events.Finished():
                self._say(display.finished_line(event))
            case events.Failed():
                with self._lock:
                    display.complain(display.failed_line(event))
            case events.Notice() if self._notices.passes(event):
                self._say(display.notice_line(event))
            case events.Summary():
                self._say(*self._notices.rest())
                if event.files + event.failed != 1:
                    self._say(display.summary_line(event))

    def result(self, document: Mapping[str, Any], text: str) -> None:
        """Print the answer."""
        self._say(text)

    def error(self, error: ClientError) -> None:
        """One sentence and the next step."""
        with self._lock:
            display.complain(f"oarepo-s3: {display.error_text(error)}")

    def stopping(self) -> None:
        """Say that it takes a moment."""
        display.complain_in_handler(display.STOPPING)

    def close(self) -> None:
        """Say what was left out."""
        self._say(*self._notices.rest())

    def _say(self, *lines: str) -> None:
        with self._lock:
            for line in lines:
                print(line, flush=True)

    def _say_totals(self) -> None:
        now = self._clock()
        with self._lock:
            if now < self._next:
                return
            self._next = now + EVERY_SECONDS
        self._say(totals_line(self._tracker.totals()))


def started_line(event: events.Started) -> str:
    """What begins, or goes on."""
    there = f", {size_text(event.resumed_bytes)} are there already" if event.resumed_bytes else ""
    parts = f" in {event.parts:,} parts of {size_text(event.part_size)}" if event.parts > 1 else ""
    return f"{printable(event.key)}: {size_text(event.size)}{parts}{there}"


def retry_line(event: events.Retry) -> str:
    """What is tried again."""
    part = "" if event.part is None else f"part {event.part}"
    said = (event.key, part, f"{event.reason}; again in {duration_text(event.wait)}")
    return printable(": ".join(filter(None, said)))


def totals_line(totals: Totals) -> str:
    """How far everything is."""
    said = [f"{percent(totals.bytes, totals.size)} %", f"{size_text(totals.bytes)} of {size_text(totals.size)}"]
    if totals.files > 1:
        said.append(f"{totals.done:,} of {count_text(totals.files, 'file')}")
    if totals.failed:
        said.append(f"{totals.failed:,} failed")
    if totals.rate is not None:
        said.append(rate_text(totals.rate))
    if totals.left is not None:
        said.append(f"{left_text(totals.left)} left")
    return ", ".join(said)
