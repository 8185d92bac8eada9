# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Run the tiers named on the command line: ``python -m tests.runner TIER...``, or ``soak`` with its options."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from tests.servers.folder import run_folder

from .command import run_command
from .coverage_gate import check_coverage
from .outcome import summary
from .tiers import ALL_TIERS, SOAK_SECONDS, program, run_tier


def main(tiers: Sequence[str]) -> int:
    """Run tiers, print the summary, and return 0 only if nothing failed; 2 for a name that is no tier.

    Args:
        tiers: their names; or ``soak`` and its options, whose last line is then the last one.
    """
    if tiers[:1] == ["soak"]:
        return run_command([program("python"), "-m", "tests.soak", *tiers[1:]], seconds=SOAK_SECONDS)
    if unknown := [tier for tier in tiers if tier not in ALL_TIERS]:
        print(f"unknown: {', '.join(unknown)}; tiers: {', '.join(ALL_TIERS)}", file=sys.stderr)
        return 2
    outcomes = [run_tier(tier) for tier in ALL_TIERS if tier in tiers]
    if len(outcomes) == len(ALL_TIERS):
        outcomes.append(check_coverage())
    failed = any(outcome.failed for outcome in outcomes)
    if failed:
        print(f"\nlogs are in {run_folder()}")
    print(summary(outcomes))
    return 1 if failed else 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Started in the background we would inherit that SIGINT is ignored, and hand that down to pytest.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
