# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The reference names what there is, and nothing else."""

import ast
import re
from html import unescape
from pathlib import Path

import invenio_s3.config
import pytest
from sphinx.errors import ExtensionError

from docs._ext import from_code, state_diagram
from oarepo_s3 import config, signals
from oarepo_s3.errors import OARepoS3Error, all_codes
from oarepo_s3.rest.errors import CODES
from oarepo_s3.settings import CHECKS
from oarepo_s3.uploads.reconciling import ReconcileReport
from oarepo_s3.uploads.states import TRANSITIONS, Event, State, diagram
from oarepo_s3.uploads.sweeping import SweepReport
from tests.docs.pages import DOCS, PROJECT, README, blocks, pages
from tests.integration.records_app import RecordsWorld

TEXTS = [*pages(), *sorted(DOCS.rglob("*.rst")), PROJECT / "CHANGES.rst"]
SETTINGS = [name for name in vars(config) if name.startswith("S3_")]


def text_of(page: Path) -> str:
    """The words of a built page, with the quotes of the source."""
    text = unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))
    return " ".join(text.replace("’", "'").split())


# settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_is_documented(html: Path, name: str) -> None:
    page = (html / "reference" / "configuration.html").read_text(encoding="utf-8")
    assert f'id="confval-{name}"' in page
    begins = from_code.setting_docs()[name].split("``")[0].split(":class:")[0].split()
    assert begins
    assert " ".join(begins) in text_of(html / "reference" / "configuration.html")


def test_setting_without_explanation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "S3_MULTIPART_SILENT", 1, raising=False)
    with pytest.raises(ExtensionError, match="S3_MULTIPART_SILENT"):
        from_code.setting_docs()


def test_every_setting_is_checked_at_start() -> None:
    assert set(CHECKS) == set(SETTINGS)


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(PROJECT)))
def test_no_page_names_a_setting_that_is_not_there(page: Path) -> None:
    named = set(re.findall(r"\bS3_[A-Z][A-Z0-9_]*[A-Z0-9](?![A-Z0-9_*])", page.read_text(encoding="utf-8")))
    assert named <= {*SETTINGS, *vars(invenio_s3.config)}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("S3_MULTIPART_PART_SIZE", "``16777216`` (16 MiB)"),
        ("S3_MULTIPART_UPLOAD_EXPIRATION", "``82800`` (23 h)"),
        ("S3_MULTIPART_BUSY_WAIT", "``10``"),
        ("S3_MULTIPART_EQUAL_PARTS", "``True``"),
        ("S3_TENANT", "``None``"),
    ],
)
def test_defaults_are_shown_with_units(value: str, shown: str) -> None:
    assert from_code.default_of(value) == shown


# errors ---------------------------------------------------------------------------------------------------------------


def rows_of_errors(html: Path) -> list[list[str]]:
    page = (html / "reference" / "errors.html").read_text(encoding="utf-8")
    tables = re.findall(r'<table class="[^"]*from-code[^"]*">(.*?)</table>', page, re.DOTALL)
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for table in tables
        for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    ]


def ours() -> set[tuple[str, str, str]]:
    """The errors of the package; tests may have added classes of their own to the tree."""
    return {
        (code, str(status), error.__name__)
        for code, status, error in all_codes()
        if error.__module__ == OARepoS3Error.__module__
    }


def test_error_codes_are_those_of_the_package(html: Path) -> None:
    assert {(row[0], row[1], row[3]) for row in rows_of_errors(html) if len(row) == 4} == ours()


def test_error_codes_of_the_web_are_those_of_the_rest_face(html: Path) -> None:
    shown = [tuple(row) for row in rows_of_errors(html) if len(row) == 2 and not row[0].startswith("http_")]
    assert shown == [(code, str(status)) for status, code in CODES.items()]


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(PROJECT)))
def test_codes_in_the_text_have_that_status(page: Path) -> None:
    known = {(str(status), code) for code, status, _ in all_codes()}
    assert set(re.findall(r"\b([45]\d\d) `+(\w+)`", page.read_text(encoding="utf-8"))) <= known


# states ---------------------------------------------------------------------------------------------------------------

EDGE = re.compile(r'data-from="(\w+)" data-event="(\w+)" data-to="(\w+)"')


def test_picture_shows_the_table_of_transitions(html: Path) -> None:
    page = (html / "understanding" / "upload-life.html").read_text(encoding="utf-8")
    assert sorted(EDGE.findall(page)) == sorted((str(s), str(e), str(t)) for (s, e), t in TRANSITIONS.items())
    assert re.findall(r'data-state="(\w+)"', page) == [str(state) for state in State]


def test_picture_agrees_with_the_diagram_of_the_package() -> None:
    lines = re.findall(r"^ +(\w+) --> (\w+): (\w+)$", diagram(), re.MULTILINE)
    assert sorted(EDGE.findall(state_diagram.svg())) == sorted((start, event, end) for start, end, event in lines)
    ended = re.findall(r'data-state="(\w+)" data-ended="true"', state_diagram.svg())
    assert sorted(ended) == sorted(re.findall(r"^ +(\w+) --> \[\*\]$", diagram(), re.MULTILINE))


def test_picture_refuses_a_state_without_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {state: place for state, place in state_diagram.PLACES.items() if state is not State.LOST}
    monkeypatch.setattr(state_diagram, "PLACES", places)
    with pytest.raises(ValueError, match="lost"):
        state_diagram.svg()


def test_no_two_boxes_of_the_picture_overlap() -> None:
    places = list(state_diagram.PLACES.values())
    apart = [
        abs(x - u) > state_diagram.BOX_WIDTH or abs(y - v) > state_diagram.BOX_HEIGHT
        for index, (x, y) in enumerate(places)
        for u, v in places[index + 1 :]
    ]
    assert all(apart)


def test_every_event_is_explained() -> None:
    assert set(from_code.WHEN) == set(Event)


# signals, tasks, paths ------------------------------------------------------------------------------------------------


def test_signals_are_those_of_the_package() -> None:
    page = (DOCS / "reference" / "signals.md").read_text(encoding="utf-8")
    table = page[page.index("{list-table}") : page.index("The sender is")]
    assert set(re.findall(r"`((?:before|after)_\w+)`", table)) == set(signals._signals)


def test_counts_of_the_tasks_are_those_of_the_reports() -> None:
    shown = [
        ast.literal_eval(line)
        for block in blocks(DOCS / "how-to" / "sweep.md", "python")
        for line in block.text.splitlines()
        if line.startswith('{"')
    ]
    assert [set(counts) for counts in shown] == [set(SweepReport().as_dict()), set(ReconcileReport().as_dict())]


def test_paths_are_those_of_the_blueprint(world: RecordsWorld) -> None:
    page = (DOCS / "reference" / "rest.md").read_text(encoding="utf-8")
    table = page[page.index("{list-table}") : page.index("A key may hold")]
    documented = set(re.findall(r"`([A-Z]+) (<item>/files/\S*)`", table))
    real = set()
    for rule in world.app.url_map.iter_rules():
        if not rule.endpoint.startswith("oarepo_s3_records_files."):
            continue
        path = re.sub(r"^/draft/records/<pid\(.*?\):pid_value>", "<item>", rule.rule)
        path = re.sub(r"<[\w()=]+:(\w+)>", r"<\1>", path).replace("<part_ids>", "<n,n,...>")
        real |= {(method, path) for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert documented == real


# links ----------------------------------------------------------------------------------------------------------------


def test_links_of_the_readme_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", README.read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if "://" not in target and not (PROJECT / target).exists()] == []


def test_every_page_is_in_the_contents(html: Path) -> None:
    index = (html / "index.html").read_text(encoding="utf-8")
    sources = [path.relative_to(DOCS) for path in [*pages()[1:], *DOCS.rglob("*.rst")] if "_build" not in path.parts]
    assert [
        str(path) for path in sources if path.stem != "index" and f'href="{path.with_suffix(".html")}"' not in index
    ] == []
