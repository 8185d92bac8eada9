# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
import re
import subprocess

import pytest

from tests.runner import tiers
from tests.runner.coverage_gate import find_gaps
from tests.runner.junit import read_report
from tests.runner.outcome import Outcome, summary
from tests.runner.sources import LICENCE_LINES, too_long, without_licence
from tests.servers.folder import PROJECT

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="no"/></testcase>
<testcase classname="a" name="no_set_up"><error message="no"/></testcase>
<testcase classname="a" name="not_here"><skipped message="not installed: ceph"/></testcase>
</testsuite></testsuites>"""


def test_report_is_counted(tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    assert read_report("unit", tmp_path / "report.xml", 1) == Outcome(
        "unit", 1, 2, 1, failures=("a::bad", "a::no_set_up"), reasons=("not installed: ceph",)
    )


@pytest.mark.parametrize(("code", "why"), [(5, "there are no tests"), (3, "pytest ended with 3")])
def test_bad_end_without_a_failed_test_is_a_failure(code, why, tmp_path):
    assert read_report("unit", tmp_path / "missing.xml", code) == Outcome("unit", failed=1, failures=(why,))


def test_summary_has_a_row_for_each_tier_and_the_total_alone_on_its_last_line():
    text = summary(
        [Outcome("lint", 6, 1, failures=("mypy",)), Outcome("unit", 5, 0, 2, reasons=("no ceph", "no ceph"))]
    )
    assert re.search(r"^lint +6 +1 +0 ", text, re.MULTILINE)
    assert re.search(r"^unit +5 +0 +2 ", text, re.MULTILINE)
    assert "    failed: mypy" in text.splitlines()
    assert "    2 skipped: no ceph" in text.splitlines()
    assert text.splitlines()[-1] == "11 passed, 1 failed, 2 skipped"


def test_skipped_tier_fails_only_in_ci(monkeypatch):
    monkeypatch.setitem(tiers.PYTEST_TIERS, "unit", ("nowhere",))
    monkeypatch.setenv("CI", "")
    assert tiers.run_tier("unit") == Outcome("unit", skipped=1, reasons=("there is no tests/nowhere",))
    monkeypatch.setenv("CI", "true")
    assert tiers.run_tier("unit") == Outcome("unit", failed=1, failures=("skipped: there is no tests/nowhere",))


@pytest.mark.parametrize(
    ("total", "name", "percent", "gaps"),
    [
        (95.0, "oarepo_s3/uploads/plan.py", 100.0, []),
        (99.0, "oarepo_s3/ext.py", 40.0, []),
        (94.9, "oarepo_s3/ext.py", 40.0, ["total 94.90 %, at least 95 %"]),
        (99.0, "oarepo_s3/uploads/plan.py", 99.5, ["oarepo_s3/uploads/plan.py 99.50 %, all of it"]),
        (99.0, "oarepo_s3/store/presign.py", 99.5, ["oarepo_s3/store/presign.py 99.50 %, all of it"]),
    ],
)
def test_coverage_gate(total, name, percent, gaps):
    report = {"totals": {"percent_covered": total}, "files": {name: {"summary": {"percent_covered": percent}}}}
    assert list(find_gaps(report)) == gaps


def test_modules_may_have_300_lines_and_no_more(tmp_path):
    (tmp_path / "fits.py").write_text("x\n" * 300)
    (tmp_path / "grew.py").write_text("x\n" * 301)
    assert [line.split(":")[0] for line in too_long(tmp_path.iterdir())] == [str(tmp_path / "grew.py")]


def test_files_without_licence_are_found(tmp_path):
    (tmp_path / "with.py").write_text("".join(f"# {line}\n" for line in LICENCE_LINES))
    (tmp_path / "half.py").write_text(f"# {LICENCE_LINES[0]}\n")
    (tmp_path / "data.json").write_text("{}")
    assert list(without_licence(tmp_path.iterdir())) == [f"{tmp_path / 'half.py'}: lacks '{LICENCE_LINES[1]}'"]


def test_pre_commit_runs_the_commands_of_the_lint_tier():
    hooks = re.findall(r"entry: (.*?), language", (PROJECT / ".pre-commit-config.yaml").read_text())
    assert [hook.removeprefix(".venv/bin/") for hook in hooks] == [" ".join(argv) for argv in tiers.LINT_TOOLS.values()]


def test_script_and_runner_know_the_same_tiers():
    script = (PROJECT / "run-tests.sh").read_text()
    assert re.search(r"^TIERS=\((.*)\)$", script, re.MULTILINE)[1].split() == list(tiers.ALL_TIERS)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["soak", "--help"], 0), (["nonsense"], 2), (["unit", "soak"], 2), (["setup", "unit"], 2)],
)
def test_script_explains_itself(arguments, code):
    done = subprocess.run([PROJECT / "run-tests.sh", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert "Usage: ./run-tests.sh [setup | TIER...]" in done.stdout + done.stderr
