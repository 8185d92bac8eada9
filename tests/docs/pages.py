# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The pages as text, and the blocks of code in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DOCS = PROJECT / "docs"
README = PROJECT / "README.md"

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    path: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(PROJECT)}:{self.line}"


def pages() -> list[Path]:
    """All pages, the README first."""
    return [README, *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]


def blocks(path: Path, language: str) -> Iterator[Block]:
    """The blocks of a page in a language."""
    source = path.read_text(encoding="utf-8")
    for found in _FENCE.finditer(source):
        if found["language"] == language:
            indent = len(found["indent"])
            text = "".join(line[indent:] or "\n" for line in found["text"].splitlines(keepends=True))
            yield Block(path, source.count("\n", 0, found.start()) + 1, language, text)
