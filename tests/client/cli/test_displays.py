# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What is drawn and printed of events."""

import io
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

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


def test_one_file_needs_no_summary(capfd: pytest.CaptureFixture[str]) -> None:
    Lines().event(events.Summary(1, 0, 1, 1.0))
    Bars(Console()).event(events.Summary(1, 0, 1, 1.0))
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


# bars -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def screen() -> Console:
    """A terminal of 100 columns that keeps what it is sent."""
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None, highlight=False)


@pytest.fixture
def bars(screen: Console) -> Iterator[Bars]:
    shown = Bars(screen, screen)
    yield shown
    shown.close()


def drawn(bars: Bars, width: int = 100) -> list[str]:
    """The rows of bars as they are now."""
    page = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    page.print(bars.draw())
    assert isinstance(page.file, io.StringIO)
    return [line.rstrip() for line in page.file.getvalue().splitlines()]


def test_bar_of_a_file(bars: Bars) -> None:
    bars.event(events.Started("t", "a.bin", 64 * MIB, 4, 16 * MIB, 0, "records_files"))
    bars.event(events.Progress("t", "a.bin", 48 * MIB, 64 * MIB))
    (row,) = drawn(bars)
    assert re.fullmatch(r"a\.bin +━+[╸╺ ━]* +75 %    48\.0 MiB / 64\.0 MiB", row)


def test_narrow_terminals_show_less(screen: Console, bars: Bars) -> None:
    screen.width = 60
    bars.event(events.Started("t", "a" * 90, 64 * MIB, 4, 16 * MIB, 0, "records_files"))
    (row,) = drawn(bars, 60)
    assert re.match(r"a{19}… [━ ]+ +0 %", row)
    assert "MiB / " not in row


def test_waiting_and_finishing_are_visible(bars: Bars) -> None:
    bars.event(events.Started("t", "a.bin", 64 * MIB, 4, 16 * MIB, 0, "records_files"))
    bars.event(events.Retry("t", "a.bin", 3, "503", 2.0))
    assert drawn(bars)[0].endswith("part 3 again in 2 s (503)")
    bars.event(events.Finishing("t", "a.bin"))
    assert drawn(bars)[0].endswith("finishing …")


def test_total_of_many_files_is_the_last_row(bars: Bars) -> None:
    bars.expect(1000, 1000 * MIB)
    for number in range(12):
        bars.event(events.Started(f"t{number}", f"{number}.bin", MIB, 1, MIB, 0, "records_files"))
    bars.event(events.Failed("t0", "0.bin", "failed", "No.", ""))
    bars.event(events.Finished("t99", "99.bin", MIB, None, 0.0, 0))
    rows = drawn(bars)
    assert len(rows) == 9
    assert rows[-1].startswith("1 of 1,000 files, 1 failed")


def test_stopping_is_visible(bars: Bars) -> None:
    bars.event(events.Started("t", "a.bin", MIB, 1, MIB, 0, "records_files"))
    bars.stopping()
    assert drawn(bars)[-1] == display.STOPPING


def test_what_is_done_stays_on_the_screen(screen: Console, bars: Bars) -> None:
    for event in EVENTS:
        bars.event(event)
    bars.result({}, "answer")
    bars.error(NotAuthorised("The token was refused.", hint="Log in."))
    assert isinstance(screen.file, io.StringIO)
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen.file.getvalue())
    for line in (
        "✓ a\\x1b.bin: 64.0 MiB in 2.0 s (24.0 MiB/s)",
        "✗ b: b cannot be read. Look.",
        "• é: sent with composed letters",
        "✗ 1 file, 64.0 MiB in 2.0 s; 1 failed",
        "answer",
        "✗ The token was refused. Log in.",
    ):
        assert f"{line}\n" in text


def test_rest_of_the_notices_is_counted_at_the_end(screen: Console, bars: Bars) -> None:
    for number in range(7):
        bars.event(events.Notice("name_normalised", "composed", str(number)))
    bars.close()
    assert isinstance(screen.file, io.StringIO)
    assert "… and 2 notices more of this kind (name_normalised)" in screen.file.getvalue()


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
