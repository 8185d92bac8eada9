# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What the user sees of a run: bars, lines, JSON, or nothing but errors."""

import os
import sys
from collections import Counter
from collections.abc import Mapping
from threading import RLock
from typing import Any, Protocol

from oarepo_s3_client import events
from oarepo_s3_client.cli.texts import count_text, duration_text, printable, rate_text, size_text
from oarepo_s3_client.errors import ClientError

STOPPING = "Stopping. What has arrived stays; Ctrl-C again stops at once."

ALREADY_THERE = "already_there"
"""Code of the notice that a file did not have to be moved."""

FEW_FILES = 20
"""Up to so many files each gets its line when it is done, above the bars."""

FEW_NOTICES = 5
"""So many notices of a kind are shown; of the others, only their number."""


class Display(Protocol):
    """Shows what happens; threads may share it."""

    def expect(self, files: int, size: int) -> None:
        """Say in advance how much there will be."""

    def event(self, event: events.Event) -> None:
        """Something has happened to a transfer."""

    def result(self, document: Mapping[str, Any], text: str) -> None:
        """A line of the answer to what was asked: ``document`` for programs, ``text`` for people."""

    def error(self, error: ClientError) -> None:
        """The run ends with an error."""

    def stopping(self) -> None:
        """Ctrl-C was pressed. It comes from a signal handler, so nothing here may take a lock."""

    def close(self) -> None:
        """Nothing more will happen. May be called again."""


def choose(*, json: bool, quiet: bool) -> Display:
    """The display that fits the options and where the output goes."""
    if json:
        from oarepo_s3_client.cli.json_lines import JSONLines

        return JSONLines()
    if quiet:
        return Quiet()
    if sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from oarepo_s3_client.cli.bars import Bars

        return Bars()
    from oarepo_s3_client.cli.lines import Lines

    return Lines()


def complain(text: str) -> None:
    """A line on standard error."""
    if sys.stderr is not None:  # for print it would mean standard output
        print(text, file=sys.stderr, flush=True)


def complain_in_handler(text: str) -> None:
    """The same where the signal may have come in the middle of another print."""
    if sys.stderr is not None:  # or 2 may be the number of any other open file
        os.write(2, f"{text}\n".encode())


def error_text(error: ClientError) -> str:
    """What went wrong in one sentence, and the next step."""
    return printable(" ".join(part for part in (error.message, error.hint) if part))


class Quiet:
    """Errors, and what was asked for by its name."""

    def __init__(self) -> None:
        self._lock = RLock()

    def expect(self, files: int, size: int) -> None:
        """Nothing to show."""

    def event(self, event: events.Event) -> None:
        """Shows failed files."""
        if isinstance(event, events.Failed):
            with self._lock:
                complain(failed_line(event))

    def result(self, document: Mapping[str, Any], text: str) -> None:
        """The answer is what was asked for."""
        with self._lock:
            print(text, flush=True)

    def error(self, error: ClientError) -> None:
        """One sentence and the next step."""
        with self._lock:
            complain(f"oarepo-s3: {error_text(error)}")

    def stopping(self) -> None:
        """The end will be said."""

    def close(self) -> None:
        """Nothing is open."""


class NoticeCounter:
    """Lets the first few notices of a kind through."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def passes(self, notice: events.Notice) -> bool:
        """Whether to show it. That a file is there already is said by the line about the file."""
        if notice.code == ALREADY_THERE:
            return False
        self._counts[notice.code] += 1
        return self._counts[notice.code] <= FEW_NOTICES

    def rest(self) -> list[str]:
        """A line for each kind of which some were not shown."""
        found = [
            f"… and {count_text(number - FEW_NOTICES, 'notice')} more of this kind ({code})"
            for code, number in self._counts.items()
            if number > FEW_NOTICES
        ]
        self._counts.clear()
        return found


def finished_line(event: events.Finished, *, checksum: bool = True) -> str:
    """A file that is there; with its checksum for a log, without for a screen, which it would fill."""
    proof = f", {event.checksum}" if event.checksum and checksum else ""
    if event.size and not event.bytes_sent:
        return f"{printable(event.key)}: {size_text(event.size)}, already there{proof}"
    rate = f" ({rate_text(event.bytes_sent / event.seconds)})" if event.seconds > 0.05 and event.bytes_sent else ""
    return f"{printable(event.key)}: {size_text(event.size)} in {duration_text(event.seconds)}{rate}{proof}"


def failed_line(event: events.Failed) -> str:
    """A file that is not."""
    return printable(" ".join(part for part in (f"{event.key}:", event.message, event.hint) if part))


def notice_line(event: events.Notice) -> str:
    """A remark."""
    return printable(f"{event.key}: {event.message}" if event.key else event.message)


def summary_line(event: events.Summary) -> str:
    """The whole run."""
    done = f"{count_text(event.files, 'file')}, {size_text(event.bytes)} in {duration_text(event.seconds)}"
    return f"{done}; {event.failed:,} failed" if event.failed else done
