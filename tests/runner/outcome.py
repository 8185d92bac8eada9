# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What came of a tier, and the table of all of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Outcome:
    """The counts of one tier.

    Attributes:
        tier: its name.
        passed: tests, or tools of the lint tier, that passed.
        failed: those that failed, did not end or could not be set up.
        skipped: those that did not run here.
        failures: names of what failed.
        reasons: why something was skipped, once for each skipped test.
        remarks: what else is worth a line in the table.
        seconds: wall clock time.
    """

    tier: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    def __add__(self, other: "Outcome") -> "Outcome":
        """Return the sum of two outcomes under the name of the first."""
        return replace(
            self,
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
            failures=self.failures + other.failures,
            reasons=self.reasons + other.reasons,
            remarks=self.remarks + other.remarks,
            seconds=self.seconds + other.seconds,
        )

    def strict(self) -> "Outcome":
        """Return the outcome where nothing may be skipped: what was, failed."""
        failures = self.failures + tuple(f"skipped: {reason}" for reason in self.reasons)
        return replace(self, failed=self.failed + self.skipped, skipped=0, failures=failures, reasons=())

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each remark, for each distinct reason of a skip, with its count, and for each failure."""
        skips = tuple(f"{count} skipped: {reason}" for reason, count in Counter(self.reasons).items())
        return self.remarks + skips + tuple(f"failed: {name}" for name in self.failures)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the table, the notes of each tier below its row, and the total alone on the last line."""
    lines = ["", f"{'tier':<12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>9}"]
    for outcome in outcomes:
        row = f"{outcome.passed:>7} {outcome.failed:>7} {outcome.skipped:>8} {outcome.seconds:>9.1f}"
        lines += [f"{outcome.tier:<12} {row}", *(f"    {note}" for note in outcome.notes)]
    total = sum(outcomes, Outcome("total"))
    lines += ["", f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped"]
    return "\n".join(lines)
