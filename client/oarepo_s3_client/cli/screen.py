# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A terminal: lines that stay, and below them rows that are drawn over and over."""

import os
import re
import sys
from collections import deque
from collections.abc import Callable
from shutil import get_terminal_size
from threading import Event, Lock, Thread
from typing import TextIO

from oarepo_s3_client.cli.texts import cell_width

FRAMES_PER_SECOND = 8

STYLES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
"""Parameters of SGR, ECMA-48 section 8.3.117."""

_SIGNS = {ord(sign): simple for sign, simple in (("✓", "+"), ("✗", "x"), ("•", "*"), ("…", "..."))}
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_STYLE = re.compile(r"\x1b\[\d*m")


class Screen:
    """Writes to a terminal; threads may share it.

    While rows are drawn, one thread alone writes. So however many lines are said, the terminal gets a few writes
    a second, and one that is slow or held up by Ctrl-S holds up nobody else.

    Args:
        stream: the terminal; None, as is ``sys.stdout`` of a process without one, takes everything and shows nothing.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._encoding = (stream and stream.encoding) or "utf-8"
        self.coloured = stream is not None and stream.isatty() and not os.environ.get("NO_COLOR")
        self.has_blocks = self._knows("✓✗•…█▏")
        self._lines: deque[str] = deque()
        self._rows: list[str] = []
        self._thread: Thread | None = None
        self._ended = Event()
        self._starting, self._writing = Lock(), Lock()

    def text(self, text: str) -> str:
        """The text as this terminal can show it, with escapes for letters that it does not have."""
        if not self.has_blocks:
            text = text.translate(_SIGNS)
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def styled(self, text: str, style: str) -> str:
        """The same in a colour, or another of the ``STYLES``, unless colours are not wanted; none if it is empty."""
        shown = self.text(text)
        return f"\x1b[{STYLES[style]}m{shown}\x1b[0m" if style and shown and self.coloured else shown

    def columns(self) -> int:
        """Cells of a line."""
        return get_terminal_size().columns

    def start(self, draw: Callable[[], list[str]]) -> None:
        """Draw rows from now on; each has to be shorter than a line. Does nothing if it has been started."""
        with self._starting:
            if self._thread is None:
                self._ended.clear()
                self._write(_HIDE)
                self._thread = Thread(target=self._redraw, args=(draw,), name="bars", daemon=True)
                self._thread.start()

    def say(self, line: str) -> None:
        """A line that stays."""
        self._lines.append(line)
        if self._thread is None:
            self._show([])

    def stop(self) -> None:
        """Take the rows away. May be called again."""
        with self._starting:
            if self._thread is not None:
                self._ended.set()
                try:
                    self._thread.join()
                finally:  # by one more Ctrl-C, too
                    self._thread = None
                    self._show([])
                    self._write(_SHOW)

    def _redraw(self, draw: Callable[[], list[str]]) -> None:
        while not self._ended.wait(1 / FRAMES_PER_SECOND):
            self._show(draw())

    def _show(self, rows: list[str]) -> None:
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            rows = rows[-max(1, get_terminal_size().lines - 1) :]
            if not lines and rows == self._rows:
                return
            back = self._back()
            above = "".join(f"{line}\n" for line in lines)
            erased = "\x1b[J" if back and above else ""
            # The cursor stays in front of the last row: behind it, the ^C that the terminal itself shows would wrap.
            below = "\x1b[K\n".join(rows) + ("\x1b[J\r" if rows or back else "")
            self._rows = rows
            self._write(back + erased + above + below)

    def _back(self) -> str:
        """To the beginning of the rows; a terminal that has become narrower has broken them into more."""
        if not self._rows:
            return ""
        columns = self.columns()
        above = sum(-(-cell_width(_STYLE.sub("", row)) // columns) for row in self._rows[:-1])
        return f"\r\x1b[{above}A" if above else "\r"

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # The window was closed. Nobody is left to be told, and what is transferred shall still arrive.
            self._forget(self._stream)
            self._stream = None

    @staticmethod
    def _forget(stream: TextIO) -> None:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is stream:  # the interpreter flushes it at its end, and would call that a failure
                setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115

    def _knows(self, letters: str) -> bool:
        try:
            letters.encode(self._encoding)
        except UnicodeEncodeError:
            return False
        return True
