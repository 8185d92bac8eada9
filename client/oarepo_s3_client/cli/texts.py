# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Numbers and names as people read and write them."""

import re
import unicodedata
from itertools import accumulate, takewhile

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<prefix>[kmgtp]?)(?P<binary>i?)b?(?:/s)?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes of ``64MiB``, ``10M``, ``1.5 GB``: a prefix with an i, or without B, counts by 1024, as does rclone's.

    Raises:
        ValueError: it is no size, or less than a byte.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size such as 64MiB or 500KB.")
    decimal = not found["binary"] and found["prefix"] and re.search("b", text, re.IGNORECASE) is not None
    power = " kmgtp".index(found["prefix"].lower() or " ")
    size = int(float(found["number"]) * (1000 if decimal else 1024) ** power)
    if size < 1:
        raise ValueError(f"{text!r} is less than one byte.")
    return size


def size_text(size: float) -> str:
    """``0 B``, ``999 B``, ``1.5 GiB``; cut off, never rounded up, so that 99.99 % do not look like all."""
    power = 0
    while power + 1 < len(UNITS) and size >= 1024 ** (power + 1):
        power += 1
    if power == 0:
        return f"{int(size)} B"
    return f"{int(size * 10 / 1024**power) / 10:.1f} {UNITS[power]}"


def rate_text(rate: float | None) -> str:
    """Bytes a second, or nothing while unknown."""
    return "" if rate is None else f"{size_text(rate)}/s"


def duration_text(seconds: float) -> str:
    """``0.8 s``, ``42 s``, ``3:07 min``, ``2:05 h``, ``3 d 4 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}:{rest:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours}:{minutes:02} h"


def left_text(seconds: float | None) -> str:
    """How long it will take: a guess, so whole seconds; nothing while unknown."""
    return "" if seconds is None else duration_text(seconds) if seconds >= 10 else f"{int(seconds) + 1} s"


def percent(part: int, whole: int) -> int:
    """Whole percents, cut off: 100 only when it is all."""
    return 100 if whole <= 0 else min(100, max(0, part * 100 // whole))


def count_text(number: int, one: str) -> str:
    """``1 file``, ``10,000 files``."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def printable(name: str) -> str:
    """A name without what could steer the terminal; what is no letter of any kind shows as its escape."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in name
    )


def cell_width(text: str) -> int:
    """Columns of a terminal that a text of printable letters takes.

    Wide letters, by Unicode's annex 11, take two; marks on other letters and inner parts of Korean syllables none.
    """
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me") or "\u1160" <= letter <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def shortened(text: str, most: int, ellipsis: str = "…") -> str:
    """The beginning of a text, with an ellipsis if there is more than ``most`` columns hold."""
    if cell_width(text) <= most:
        return text
    widths = accumulate(map(_cells, text))
    fitting = sum(1 for _ in takewhile(lambda width: width <= most - len(ellipsis), widths))
    return text[:fitting] + ellipsis[:most]


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """A text filled up with blanks, in front of it if it belongs to the right."""
    blank = " " * (columns - cell_width(text))
    return blank + text if right else text + blank


def table(rows: list[tuple[str, ...]], right: frozenset[int] = frozenset()) -> list[str]:
    """Lines of aligned columns, the first row being the head; columns in ``right`` hold numbers."""
    widths = [max(map(cell_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, strict=True)
        padded_cells = (padded(cell, width, right=place in right) for place, (cell, width) in enumerate(cells))
        lines.append("  ".join(padded_cells).rstrip())
    return lines
