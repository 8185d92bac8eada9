# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A terminal in memory, which shows what is written to it as a window would."""

import io
import re
from threading import Condition

SECONDS = 60.0


class Window(io.StringIO):
    """A terminal without an end at the right.

    Attributes:
        encoding: what it can show.
        writes: how often it was written to.
    """

    encoding: str = "utf-8"  # type: ignore[misc]

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self.encoding = encoding
        self.writes = 0
        self._written = Condition()

    def isatty(self) -> bool:
        """So that colours are wanted."""
        return True

    def write(self, text: str) -> int:
        """Keep it."""
        with self._written:
            self.writes += 1
            text.encode(self.encoding)
            number = super().write(text)
            self._written.notify_all()
        return number

    def wait_for(self, text: str) -> None:
        """Until it is on the screen."""
        with self._written:
            assert self._written.wait_for(lambda: text in "\n".join(self.shown()), SECONDS), self.getvalue()

    def shown(self) -> list[str]:
        """The lines that one would see, without blanks at their ends."""
        lines, row, column = [""], 0, 0
        for escape, letter in re.findall(r"\x1b\[([?\d;]*[a-zA-Z])|(.)", self.getvalue(), re.DOTALL):
            if letter == "\n":
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            elif letter == "\r":
                column = 0
            elif letter:
                lines[row] = lines[row][:column].ljust(column) + letter + lines[row][column + 1 :]
                column += 1
            elif escape.endswith("A"):
                row -= int(escape[:-1])
                assert row >= 0, "above the window"
            elif escape[-1] in "JK":
                lines[row] = lines[row][:column]
                lines = lines[: row + 1] if escape == "J" else lines
            else:
                assert escape[-1] in "mhl", escape
        return [line.rstrip() for line in lines if line.strip()]

    @property
    def cursor(self) -> bool:
        """Whether it is visible."""
        found = re.findall(r"\x1b\[\?25([hl])", self.getvalue())
        return not found or found[-1] == "h"
