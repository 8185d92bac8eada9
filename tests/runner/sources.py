# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Two checks of our own: short modules, and the licence in every source file.

``python -m tests.runner.sources length`` and ``... licence`` print what is wrong and end with 1 if anything is.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.servers.folder import PROJECT

MAX_MODULE_LINES = 300
LICENCE_LINES = ("SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.", "SPDX-License-Identifier: MIT")
# The licence stands at the top, at most below a line that says how to run or read the file.
LICENCE_WITHIN_LINES = 6
# Formats without comments, and the licence's own text.
WITHOUT_LICENCE_LINES = {".gif", ".ico", ".json", ".png", ".svg", ".typed"}


def source_files() -> list[Path]:
    """Return the files of the project that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    return sorted(path for name in listing.split("\0") if name and (path := PROJECT / name).is_file())


def too_long(files: Iterable[Path]) -> Iterator[str]:
    """Yield a line for each module of the package that has more than 300 lines."""
    for path in files:
        lines = len(path.read_bytes().splitlines()) if path.suffix == ".py" else 0
        if lines > MAX_MODULE_LINES:
            yield f"{path}: {lines} lines, at most {MAX_MODULE_LINES}"


def without_licence(files: Iterable[Path]) -> Iterator[str]:
    """Yield a line for each source file that does not begin with the two SPDX lines."""
    for path in files:
        if path.suffix in WITHOUT_LICENCE_LINES or path.name == "LICENSE":
            continue
        head = path.read_text(encoding="utf-8").splitlines()[:LICENCE_WITHIN_LINES]
        for wanted in LICENCE_LINES:
            if not any(wanted in line for line in head):
                yield f"{path}: lacks '{wanted}'"


def main(check: str) -> int:
    """Run one check over the project and return the exit code."""
    files = source_files()
    if check == "length":
        faults = list(too_long(path for path in files if path.is_relative_to(PROJECT / "oarepo_s3")))
    else:
        faults = list(without_licence(files))
    print("\n".join(faults) or f"{check}: {len(files)} files are fine")
    return 1 if faults else 0


if __name__ == "__main__":
    if sys.argv[1:] not in (["length"], ["licence"]):
        sys.exit("usage: python -m tests.runner.sources length|licence")
    sys.exit(main(sys.argv[1]))
