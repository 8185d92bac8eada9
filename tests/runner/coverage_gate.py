# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Is enough of the package covered by the tests of all tiers together?"""

import json
import time
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from tests.servers.folder import run_folder

from .command import run_command
from .outcome import Outcome
from .tiers import TOOL_SECONDS, coverage_environment, program

TOTAL_PERCENT = 95.0
FULLY_COVERED = (
    "oarepo_s3/uploads/*",
    "oarepo_s3/store/presign.py",
    "oarepo_s3_client/engine.py",
    "oarepo_s3_client/states.py",
)


def check_coverage() -> Outcome:
    """Combine what the tiers collected, print the report and return one outcome: passed or failed."""
    print("\n=== coverage", flush=True)
    began = time.monotonic()
    report = run_folder() / "coverage.json"
    for command in (("combine", "-q"), ("json", "-q", "-o", str(report)), ("report",)):
        argv = [program("python"), "-m", "coverage", *command]
        if exit_code := run_command(argv, seconds=TOOL_SECONDS, env=coverage_environment()):
            return Outcome("coverage", failed=1, failures=(f"coverage {command[0]} ended with {exit_code}",))
    gaps = tuple(find_gaps(json.loads(Path(report).read_text(encoding="utf-8"))))
    seconds = time.monotonic() - began
    if gaps:
        return Outcome("coverage", failed=1, failures=gaps, seconds=seconds)
    return Outcome("coverage", passed=1, seconds=seconds)


def find_gaps(report: Any) -> Iterator[str]:
    """Yield a line for each demand that a report of ``coverage json`` does not meet; branches count with lines."""
    total = report["totals"]["percent_covered"]
    if total < TOTAL_PERCENT:
        yield f"total {total:.2f} %, at least {TOTAL_PERCENT:g} %"
    for name, measured in sorted(report["files"].items()):
        percent = measured["summary"]["percent_covered"]
        if percent < 100 and any(PurePath(name).match(pattern) for pattern in FULLY_COVERED):
            yield f"{name} {percent:.2f} %, all of it"
