# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What is drawn and printed of events."""

import io

import pytest

from oarepo_s3_client import events
from oarepo_s3_client.cli import display
from oarepo_s3_client.cli.bars import Bars
from oarepo_s3_client.cli.json_lines import JSONLines
from oarepo_s3_client.cli.lines import EVERY_SECONDS, Lines
from oarepo_s3_client.errors import NotAuthorised
from tests.client.cli.schema import validated

MIB = 2**20
EVENTS: list[events.Event] = [
    events.Started("t1", "a\x1b.bin", 64 * MIB, 4, 16 * MIB, 16 * MIB, "records_files"),
    events.Progress("t1", "a\x1b.bin", 32 * MIB, 64 * MIB),
    events.PartDone("t1", "a\x1b.bin", 2, 16 * MIB, 1),
    events.Retry("t1", "a\x1b.bin", 3, "the store answered 503", 2.0),
    events.Retry("t1", "a\x1b.bin", None, "no answer", 1.0),
    events.Notice("name_normalised", "sent with composed letters", "é"),
    events.Notice("token_unencrypted", "the token travels unencrypted"),
    events.Finishing("t1", "a\x1b.bin"),
    events.Finished("t1", "a\x1b.bin", 64 * MIB, "multipart:0-1-2", 2.0, 48 * MIB),
    events.Failed(None, "b", "source_unreadable", "b cannot be read.", "Look."),
    events.Summary(1, 1, 64 * MIB, 2.0),
]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


# lines ----------------------------------------------------------------------------------------------------------------


def test_lines_tell_a_transfer(capfd: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for event in EVENTS:
        lines.event(event)
    printed = capfd.readouterr()
    assert printed.out.splitlines() == [
        "a\\x1b.bin: 64.0 MiB in 4 parts of 16.0 MiB, 16.0 MiB are there already",
        "a\\x1b.bin: part 3: the store answered 503; again in 2.0 s",
        "a\\x1b.bin: no answer; again in 1.0 s",
        "é: sent with composed letters",
        "the token travels unencrypted",
        "a\\x1b.bin: finishing",
        "a\\x1b.bin: 64.0 MiB in 2.0 s (24.0 MiB/s), multipart:0-1-2",
        "1 file, 64.0 MiB in 2.0 s; 1 failed",
    ]
    assert printed.err == "b: b cannot be read. Look.\n"


def test_lines_say_now_and_then_how_far_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(clock)
    lines.expect(30, 300 * MIB)
    lines.event(events.Started("t", "a", 100 * MIB, 1, 100 * MIB, 0, "records_files"))
    for second in range(1, 41):
        clock.now = 100.0 + second
        lines.event(events.Progress("t", "a", second * MIB, 100 * MIB))
    lines.event(events.Failed(None, "b", "failed", "No.", ""))
    clock.now += EVERY_SECONDS
    lines.event(events.Progress("t", "a", 41 * MIB, 100 * MIB))
    assert capfd.readouterr().out.splitlines() == [
        "30 files, 300.0 MiB",
        "5 %, 15.0 MiB of 300.0 MiB, 0 of 30 files, 1.0 MiB/s, 4:45 min left",
        "10 %, 30.0 MiB of 300.0 MiB, 0 of 30 files, 1.0 MiB/s, 4:30 min left",
        "13 %, 41.0 MiB of 300.0 MiB, 0 of 30 files, 1 failed, 68.2 KiB/s, 1:04 h left",
    ]


def test_lines_do_not_drown_in_notices(capfd: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for number in range(12):
        lines.event(events.Notice("name_normalised", "composed", str(number)))
    lines.close()
    lines.close()
    out = capfd.readouterr().out.splitlines()
    assert out[-1] == "… and 7 notices more of this kind (name_normalised)"
    assert len(out) == display.FEW_NOTICES + 1


def test_lines_say_that_they_stop(capfd: pytest.CaptureFixture[str]) -> None:
    Lines().stopping()
    assert capfd.readouterr().err == f"{display.STOPPING}\n"


@pytest.mark.parametrize("key", ["", "a"])
def test_lines_name_what_waits(key: str, capfd: pytest.CaptureFixture[str]) -> None:
    Lines().event(events.Retry("", key, None, "no answer", 3.0))
    assert capfd.readouterr().out == ("a: " if key else "") + "no answer; again in 3.0 s\n"


def test_one_file_needs_no_summary(capfd: pytest.CaptureFixture[str]) -> None:
    Lines().event(events.Summary(1, 0, 1, 1.0))
    Bars().event(events.Summary(1, 0, 1, 1.0))
    assert capfd.readouterr().out == ""


# quiet and JSON -------------------------------------------------------------------------------------------------------


def test_quiet_prints_failures_and_answers(capfd: pytest.CaptureFixture[str]) -> None:
    quiet = display.Quiet()
    quiet.expect(1, 1)
    quiet.stopping()
    for event in EVENTS:
        quiet.event(event)
    quiet.result({}, "answer")
    quiet.error(NotAuthorised("The token was refused."))
    quiet.close()
    printed = capfd.readouterr()
    assert printed.out == "answer\n"
    assert printed.err.splitlines() == [
        "b: b cannot be read. Look.",
        "oarepo-s3: The token was refused. " + NotAuthorised.default_hint,
    ]


def test_every_event_is_a_line_that_the_schema_allows(capfd: pytest.CaptureFixture[str]) -> None:
    import json

    shown = JSONLines()
    shown.expect(1, 1)
    shown.stopping()
    for event in EVENTS:
        shown.event(event)
    shown.close()
    lines = [validated(json.loads(line)) for line in capfd.readouterr().out.splitlines()]
    assert lines == [event.as_dict() for event in EVENTS]
    assert {line["type"] for line in lines} == {kind.type for kind in events.Event.__subclasses__()}


# which ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terminal", "term", "options", "kind"),
    [
        (True, "xterm", {}, Bars),
        (True, "dumb", {}, Lines),
        (False, "xterm", {}, Lines),
        (True, "xterm", {"quiet": True}, display.Quiet),
        (True, "xterm", {"json": True, "quiet": True}, JSONLines),
    ],
)
def test_display_fits_the_output(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, term: str, options: dict[str, bool], kind: type
) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("TERM", term)
    assert type(display.choose(**{"json": False, "quiet": False, **options})) is kind


def test_process_without_output_gets_lines(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert type(display.choose(json=False, quiet=False)) is Lines


def test_complaints_go_to_no_other_file(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr", None)
    display.complain("lost")
    display.complain_in_handler("lost")
    assert capfd.readouterr() == ("", "")
