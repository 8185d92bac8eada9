# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The tiers and how each is run."""

import os
import sys
import sysconfig
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.servers.folder import PROJECT, run_folder

from .command import TIMED_OUT, run_command
from .junit import count_passed, read_report
from .outcome import Outcome

TIER_SECONDS = 1200.0
TOOL_SECONDS = 300.0
SOAK_SECONDS = 12 * 3600.0

# Folders of tests below tests/; a tier runs those that exist.
PYTEST_TIERS: Mapping[str, tuple[str, ...]] = {
    "unit": ("unit",),
    "property": ("property",),
    "store": ("store",),
    "integration": ("integration", "migration", "security"),
    "rdm": ("rdm",),
    "faults": ("faults",),
    "client": ("client",),
    "acceptance": ("acceptance",),
}
ALL_TIERS = ("lint", *PYTEST_TIERS, "docs")

# Tiers whose tests are shared out between two processes, each with servers of its own.
SHARED_OUT = ("-n", "2", "--dist", "worksteal")
SHARED_TIERS = ("unit", "property", "integration", "client")

# The test that runs once for each case of the table of faults.
FAULT_TEST = "test_fault"

# .pre-commit-config.yaml runs the same; a test compares the two.
LINT_TOOLS: Mapping[str, tuple[str, ...]] = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "lint-imports": ("lint-imports",),
    "module length": ("python", "-m", "tests.runner.sources", "length"),
    "licence": ("python", "-m", "tests.runner.sources", "licence"),
    "pip check": ("python", "-m", "pip", "check"),
}


def run_tier(tier: str) -> Outcome:
    """Run a tier by name and return its outcome; where ``CI=true``, whatever was skipped has failed."""
    print(f"\n=== {tier}", flush=True)
    began = time.monotonic()
    outcome = {"lint": _run_lint, "docs": _run_docs}.get(tier, lambda: _run_pytest(tier, PYTEST_TIERS[tier]))()
    if os.environ.get("CI") == "true":
        outcome = outcome.strict()
    return replace(outcome, seconds=time.monotonic() - began)


def program(name: str) -> str:
    """Return the path of a program of the environment that runs us."""
    return sys.executable if name == "python" else str(Path(sysconfig.get_path("scripts")) / name)


def coverage_environment() -> dict[str, str]:
    """Return the variables that make coverage collect its data in the run's folder."""
    folder = run_folder() / "coverage"
    folder.mkdir(exist_ok=True)
    return {"COVERAGE_FILE": str(folder / "data")}


def _run_tool(tier: str, name: str, *argv: str) -> Outcome:
    print(f"--- {name}", flush=True)
    failed = run_command([program(argv[0]), *argv[1:]], seconds=TOOL_SECONDS) != 0
    return Outcome(tier, failed=1, failures=(name,)) if failed else Outcome(tier, passed=1)


def _run_lint() -> Outcome:
    return sum((_run_tool("lint", name, *argv) for name, argv in LINT_TOOLS.items()), Outcome("lint"))


def _run_docs() -> Outcome:
    target = str(run_folder() / "docs")
    sphinx = ("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", target)
    outcome = _run_tool("docs", "sphinx-build", *sphinx)
    if (PROJECT / "tests" / "docs").is_dir():
        outcome += _run_pytest("docs", ("docs",))
    return outcome


def _run_pytest(tier: str, names: tuple[str, ...]) -> Outcome:
    folders = [f"tests/{name}" for name in names if (PROJECT / "tests" / name).is_dir()]
    if not folders:
        return Outcome(tier, skipped=1, reasons=(f"there is no tests/{names[0]}",))
    report = run_folder() / f"{tier}.xml"
    options = [f"--junit-xml={report}", *(SHARED_OUT if tier in SHARED_TIERS else ())]
    argv = [program("python"), "-m", "coverage", "run", "-m", "pytest", *options, *folders]
    exit_code = run_command(argv, seconds=TIER_SECONDS, env=coverage_environment())
    outcome = read_report(tier, report, exit_code)
    if tier == "faults":
        remark = f"fault cases: {count_passed(report, FAULT_TEST)}"
        print(remark)
        outcome = replace(outcome, remarks=(remark,))
    if exit_code == TIMED_OUT:
        outcome += Outcome(tier, failed=1, failures=(f"not done within {TIER_SECONDS:g} s",))
    return outcome
