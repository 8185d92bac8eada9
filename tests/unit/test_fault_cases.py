# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
from tests.faults.proxy import Operation, operation_of
from tests.runner.junit import count_passed
from tests.runner.outcome import Outcome, summary

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="test_fault[open/before-store/cut]"/>
<testcase classname="a" name="test_fault[put/before-store/cut]"><failure message="no"/></testcase>
<testcase classname="a" name="test_fault[list/before-store/cut]"><skipped message="no ceph"/></testcase>
<testcase classname="a" name="test_faults_are_all_there"/>
</testsuite></testsuites>"""


def test_only_cases_that_passed_are_counted(tmp_path):
    report = tmp_path / "report.xml"
    assert count_passed(report, "test_fault") == 0
    report.write_text(REPORT)
    assert count_passed(report, "test_fault") == 1


def test_remark_stands_below_the_row_of_its_tier():
    lines = summary([Outcome("unit", 1), Outcome("faults", 2, remarks=("fault cases: 57",))]).splitlines()
    assert lines.index("    fault cases: 57") == next(place for place, line in enumerate(lines) if "faults" in line) + 1


def test_calls_are_told_by_method_and_query():
    told = {
        ("POST", "/b/k?uploads"): Operation.CREATE,
        ("GET", "/b?uploads&prefix=k"): Operation.LIST_UPLOADS,
        ("PUT", "/b/k?uploadId=1&partNumber=2&X-Amz-Expires=3"): Operation.PUT_PART,
        ("GET", "/b/k?uploadId=1"): Operation.LIST_PARTS,
        ("POST", "/b/k?uploadId=1"): Operation.COMPLETE,
        ("DELETE", "/b/k?uploadId=1"): Operation.ABORT,
        ("HEAD", "/b/k"): Operation.HEAD,
        ("DELETE", "/b/k"): Operation.DELETE,
        ("GET", "/b/k"): Operation.OTHER,
    }
    assert {call: operation_of(*call) for call in told} == told
