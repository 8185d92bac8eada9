# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Count the tests of a tier from the report that pytest writes."""

from pathlib import Path
from xml.etree import ElementTree

from .outcome import Outcome


def read_report(tier: str, report: Path, exit_code: int) -> Outcome:
    """Return the counts of a pytest run.

    Args:
        tier: name for the outcome.
        report: the JUnit XML file; it may be missing when pytest broke down.
        exit_code: what pytest ended with; a bad end that no test accounts for counts as one failure.
    """
    outcome = Outcome(tier)
    if report.exists():
        outcome = sum((_read_case(tier, case) for case in ElementTree.parse(report).iter("testcase")), outcome)
    if exit_code and not outcome.failed:
        outcome += Outcome(tier, failed=1, failures=(_explain(exit_code),))
    return outcome


def count_passed(report: Path, test: str) -> int:
    """Return how many cases of a parametrized test have passed.

    Args:
        report: the JUnit XML file; it may be missing.
        test: name of the function.
    """
    if not report.exists():
        return 0
    cases = ElementTree.parse(report).iter("testcase")
    return sum(case.get("name", "").startswith(f"{test}[") and _read_case("", case).passed for case in cases)


def _read_case(tier: str, case: ElementTree.Element) -> Outcome:
    name = f"{case.get('classname', '')}::{case.get('name', '')}"
    if case.find("failure") is not None or case.find("error") is not None:
        return Outcome(tier, failed=1, failures=(name,))
    skip = case.find("skipped")
    if skip is not None:
        return Outcome(tier, skipped=1, reasons=(skip.get("message") or "no reason given",))
    return Outcome(tier, passed=1)


def _explain(exit_code: int) -> str:
    # https://docs.pytest.org/en/stable/reference/exit-codes.html
    return "there are no tests" if exit_code == 5 else f"pytest ended with {exit_code}"
