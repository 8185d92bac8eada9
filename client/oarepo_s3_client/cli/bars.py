# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Bars on a terminal, drawn from the tracker a few times a second whatever the number of events."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from tqdm import tqdm

from oarepo_s3_client import events
from oarepo_s3_client.cli import display
from oarepo_s3_client.cli.lines import retry_line
from oarepo_s3_client.cli.screen import Screen
from oarepo_s3_client.cli.texts import (
    cell_width,
    count_text,
    left_text,
    padded,
    percent,
    printable,
    rate_text,
    shortened,
    size_text,
)
from oarepo_s3_client.cli.tracker import Totals, Tracker, Transfer
from oarepo_s3_client.errors import ClientError

MOST_BARS = 8
"""Bars of single files; the others are in the total."""

COLUMNS_FOR_SIZES, COLUMNS_FOR_LEFT, COLUMNS_FOR_RATE = 80, 52, 40
"""A terminal of fewer columns has no place for them beside a bar and a name."""

SHORTEST_BAR = 8
"""Cells of a bar and its ends, as long as the terminal has any."""

Piece = tuple[str, str]
"""A text and its style."""


@dataclass(frozen=True)
class Row:
    """What is said of one file, or of all: ``done`` of ``size``, which is not 0, is drawn as the bar."""

    name: Piece
    done: int
    size: int
    said: tuple[Piece, ...]
    style: str = "cyan"


class Bars:
    """A bar for each running file, one for all, and a line above them for what is done."""

    def __init__(self, out: TextIO | None = None, errors: TextIO | None = None) -> None:
        self._screen = Screen(out or sys.stdout)
        self._errors = Screen(errors or sys.stderr)
        self._tracker = Tracker()
        self._notices = display.NoticeCounter()
        self._waiting = ""
        self._stopping = False

    def expect(self, files: int, size: int) -> None:
        """Show a total from the beginning."""
        self._tracker.expect(files, size)

    def event(self, event: events.Event) -> None:
        """Take it in; what stays on the screen is printed."""
        self._tracker.apply(event)
        self._waiting = ""
        match event:
            case events.Retry() if not self._tracker.runs(event.transfer):  # it has no bar yet
                self._waiting = retry_line(event)
                self._screen.start(self.rows)
            case events.Started():
                self._screen.start(self.rows)
            case events.Finished() if self._tracker.totals().files <= display.FEW_FILES:
                self._say("✓", "green", display.finished_line(event, checksum=False))
            case events.Failed():
                self._say("✗", "red", display.failed_line(event))
            case events.Notice() if self._notices.passes(event):
                self._say("•", "yellow", display.notice_line(event))
            case events.Summary():
                self.close()
                if event.files + event.failed != 1:
                    sign, colour = ("✗", "red") if event.failed else ("✓", "green")
                    self._say(sign, colour, display.summary_line(event))

    def result(self, document: Mapping[str, Any], text: str) -> None:
        """Print the answer."""
        self._waiting = ""
        self._screen.say(self._screen.text(text))

    def error(self, error: ClientError) -> None:
        """One sentence and the next step."""
        self.close()
        said = self._errors.styled(f"✗ {printable(error.message)}", "red")
        self._errors.say(f"{said} {self._errors.text(printable(error.hint))}".rstrip())

    def stopping(self) -> None:
        """Say so below the bars."""
        self._stopping = True

    def close(self) -> None:
        """Take the bars away; what was said stays."""
        self._screen.stop()
        for line in self._notices.rest():
            self._say("•", "yellow", line)

    def rows(self) -> list[str]:
        """The bars as they are now."""
        columns = self._screen.columns() - 1  # in the last one, some terminals begin a new line
        totals = self._tracker.totals()
        rows = [self._file_row(transfer, rate, columns) for transfer, rate in self._tracker.running()[:MOST_BARS]]
        if totals.files > 1:
            rows.append(total_row(totals, columns))
        place = max((cell_width(row.name[0]) for row in rows), default=0)
        drawn = [self._drawn(row, columns, min(place, name_columns(columns))) for row in rows]
        said = (self._waiting, display.STOPPING if self._stopping else "")
        return drawn + [self._screen.styled(self._shortened(text, columns), "yellow") for text in said if text]

    def _file_row(self, transfer: Transfer, rate: float | None, columns: int) -> Row:
        name = (self._screen.text(printable(transfer.key)), "")
        done, size = (transfer.bytes, transfer.size) if transfer.size else (1, 1)
        if transfer.finishing:
            return Row(name, size, size, (self._note("finishing …", "cyan", columns),), "green")
        if transfer.note:
            return Row(name, done, size, (self._note(printable(transfer.note), "yellow", columns),))
        left = (transfer.size - transfer.bytes) / rate if rate else None
        return Row(name, done, size, figures(transfer.bytes, transfer.size, rate, left, columns))

    def _note(self, text: str, style: str, columns: int) -> Piece:
        most = columns - name_columns(columns) - SHORTEST_BAR - 2
        return padded(self._shortened(text, most), figure_columns(columns), right=True), style

    def _drawn(self, row: Row, columns: int, place: int) -> str:
        name, style = row.name
        bar: str = tqdm.format_meter(
            row.done,
            row.size,
            0,
            ncols=columns - place - 1,
            ascii=False if self._screen.has_blocks else " #",
            colour=row.style if self._screen.coloured else None,
            bar_format="|{bar}| {said}",
            said="".join(self._screen.styled(*piece) for piece in row.said),
        )
        return f"{self._screen.styled(padded(self._shortened(name, place), place), style)} {bar}"

    def _shortened(self, text: str, most: int) -> str:
        return shortened(self._screen.text(text), max(1, most), self._screen.text("…"))

    def _say(self, sign: str, colour: str, line: str) -> None:
        self._screen.say(f"{self._screen.styled(sign, colour)} {self._screen.text(line)}")


def total_row(totals: Totals, columns: int) -> Row:
    """Number, bar and figures of all files."""
    name, style = f"{totals.done:,} of {count_text(totals.files, 'file')}", "bold"
    if totals.failed:
        name, style = f"{name}, {totals.failed:,} failed", "red"
    done, size = (totals.bytes, totals.size) if totals.size else (1, 1)
    said = figures(totals.bytes, totals.size, totals.rate, totals.left, columns)
    return Row((name, style), done, size, said)


def figures(done: int, size: int, rate: float | None, left: float | None, columns: int) -> tuple[Piece, ...]:
    """Percents, bytes, speed and what is left to wait, in places that do not jump about."""
    said = [(f"{percent(done, size):3} %", "")]
    if columns + 1 >= COLUMNS_FOR_SIZES:
        said.append((f"  {size_text(done):>10}/{size_text(size):<10}", ""))
    if columns + 1 >= COLUMNS_FOR_RATE:
        said.append((f"  {rate_text(rate):>12}", "cyan"))
    if columns + 1 >= COLUMNS_FOR_LEFT:
        said.append((f"  {left_text(left):>9}", "dim"))
    return tuple(said)


def figure_columns(columns: int) -> int:
    """Columns that the figures take."""
    return sum(len(text) for text, _ in figures(0, 0, None, None, columns))


def name_columns(columns: int) -> int:
    """The most that a name takes: a third, and less where there would be no place for a bar."""
    return max(1, min(max(10, columns // 3), columns - figure_columns(columns) - SHORTEST_BAR - 2))
