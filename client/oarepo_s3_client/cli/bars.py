# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Bars on a terminal, drawn from the tracker a few times a second whatever the number of events."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from oarepo_s3_client import events
from oarepo_s3_client.cli import display
from oarepo_s3_client.cli.texts import count_text, left_text, percent, printable, rate_text, size_text
from oarepo_s3_client.cli.tracker import Totals, Tracker, Transfer
from oarepo_s3_client.errors import ClientError

FRAMES_PER_SECOND = 8
MOST_BARS = 8
"""Bars of single files; the others are in the total."""

NARROW = 80
"""Columns below which a bar has no place for its sizes."""


class Bars:
    """A bar for each running file, one for all, and a line above them for what is done."""

    def __init__(self, console: Console | None = None, errors: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._errors = errors or Console(stderr=True, highlight=False)
        self._tracker = Tracker()
        self._notices = display.NoticeCounter()
        self._live: Live | None = None
        self._stopping = False

    def expect(self, files: int, size: int) -> None:
        """Show a total from the beginning."""
        self._tracker.expect(files, size)

    def event(self, event: events.Event) -> None:
        """Take it in; what stays on the screen is printed."""
        self._tracker.apply(event)
        match event:
            case events.Started():
                self._begin()
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
        self._console.print(Text(text), soft_wrap=True)

    def error(self, error: ClientError) -> None:
        """One sentence and the next step."""
        self.close()
        text = Text.assemble((f"✗ {printable(error.message)}", "red"), f" {printable(error.hint)}".rstrip())
        self._errors.print(text, soft_wrap=True)

    def stopping(self) -> None:
        """Say so below the bars."""
        self._stopping = True

    def close(self) -> None:
        """Take the bars away; what was said stays."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        for line in self._notices.rest():
            self._say("•", "yellow", line)

    def draw(self) -> RenderableType:
        """The bars as they are now."""
        width = self._console.width
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(max_width=max(10, width // 3), no_wrap=True, overflow="ellipsis")
        grid.add_column(ratio=1, min_width=8)
        grid.add_column(justify="right", no_wrap=True)
        running, totals = self._tracker.running(), self._tracker.totals()
        for transfer, rate in running[:MOST_BARS]:
            grid.add_row(*file_row(transfer, rate, width))
        if totals.files > 1:
            grid.add_row(*total_row(totals, width))
        return Group(grid, Text(display.STOPPING, "yellow")) if self._stopping else grid

    def _begin(self) -> None:
        if self._live is None:
            self._live = Live(
                console=self._console,
                refresh_per_second=FRAMES_PER_SECOND,
                transient=True,
                get_renderable=self.draw,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def _say(self, sign: str, colour: str, line: str) -> None:
        self._console.print(Text.assemble((sign, colour), f" {line}"), soft_wrap=True)


def file_row(transfer: Transfer, rate: float | None, width: int) -> tuple[RenderableType, ...]:
    """Name, bar and figures of one file."""
    name = Text(printable(transfer.key))
    if transfer.finishing:
        return name, ProgressBar(total=None, pulse=True), Text("finishing …", "cyan")
    bar = ProgressBar(total=max(1, transfer.size), completed=transfer.bytes if transfer.size else 1)
    if transfer.note:
        return name, bar, Text(printable(transfer.note), "yellow")
    left = (transfer.size - transfer.bytes) / rate if rate else None
    return name, bar, figures(transfer.bytes, transfer.size, rate, left, width)


def total_row(totals: Totals, width: int) -> tuple[RenderableType, ...]:
    """Number, bar and figures of all files."""
    name = Text(f"{totals.done:,} of {count_text(totals.files, 'file')}", "bold")
    if totals.failed:
        name.append(f", {totals.failed:,} failed", "red")
    bar = ProgressBar(total=max(1, totals.size), completed=totals.bytes)
    return name, bar, figures(totals.bytes, totals.size, totals.rate, totals.left, width)


def figures(done: int, size: int, rate: float | None, left: float | None, width: int) -> Text:
    """Percents, bytes, speed and what is left to wait, in places that do not jump about."""
    text = Text(f"{percent(done, size):3} %")
    if width >= NARROW:
        text.append(f"  {size_text(done):>10} / {size_text(size)}")
    text.append(f"  {rate_text(rate):>12}", "cyan")
    text.append(f"  {left_text(left):>9}", "dim")
    return text
