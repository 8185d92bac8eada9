# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What is drawn of events on a terminal."""

import re
from collections.abc import Iterator

import pytest

from oarepo_s3_client import events
from oarepo_s3_client.cli import display
from oarepo_s3_client.cli.bars import Bars
from oarepo_s3_client.cli.texts import cell_width
from oarepo_s3_client.cli.tracker import Tracker
from oarepo_s3_client.errors import NotAuthorised
from tests.client.cli.terminal import Window
from tests.client.cli.test_displays import EVENTS, MIB, Clock


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Window:
    """A terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("NO_COLOR", "1")
    return Window()


@pytest.fixture
def bars(window: Window) -> Iterator[Bars]:
    shown = Bars(window, window)
    yield shown
    shown.close()


def started(name: str = "a.bin", transfer: str = "t", size: int = 64 * MIB) -> events.Started:
    return events.Started(transfer, name, size, 4, 16 * MIB, 0, "records_files")


def test_bar_of_a_file(bars: Bars) -> None:
    bars.event(started())
    bars.event(events.Progress("t", "a.bin", 48 * MIB, 64 * MIB))
    (row,) = bars.rows()
    assert re.fullmatch(r"a\.bin \|(█+).? +\|  75 %    48\.0 MiB/64\.0 MiB +", row)
    assert len(row) == 99
    assert row.count("█") == 37 * 3 // 4


def test_speed_and_rest_are_those_of_the_tracker(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("oarepo_s3_client.cli.bars.Tracker", lambda: Tracker(clock))
    bars = Bars(window)
    bars.event(started())
    clock.now += 2
    bars.event(events.Progress("t", "a.bin", 4 * MIB, 64 * MIB))
    assert bars.rows()[0].endswith("  6 %     4.0 MiB/64.0 MiB       2.0 MiB/s       30 s")
    clock.now += 2  # it has stalled
    assert bars.rows()[0].endswith("  6 %     4.0 MiB/64.0 MiB       1.0 MiB/s   1:00 min")
    bars.close()


@pytest.mark.parametrize("columns", [*range(1, 30), 39, 40, 51, 52, 79, 80, 81, 100, 250])
@pytest.mark.parametrize("name", ["a", "a" * 90, "漢" * 90, "e\u0301\x1b" * 90])
def test_rows_fit_the_terminal(bars: Bars, monkeypatch: pytest.MonkeyPatch, columns: int, name: str) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    bars.expect(1000, 10**16)
    bars.event(started(name))
    bars.event(started(name, "waits"))
    bars.event(events.Retry("waits", name, 3, "the store has answered with something long: 漢" * 3, 2.0))
    bars.event(started(name, "ends"))
    bars.event(events.Finishing("ends", name))
    bars.stopping()
    widths = {cell_width(row) for row in bars.rows()[:-1]}
    assert all("\x1b" not in row for row in bars.rows())
    if columns >= 14:
        assert widths == {columns - 1}
    assert cell_width(bars.rows()[-1]) <= max(1, columns - 1)


def test_narrow_terminals_show_less(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    bars.event(started("a" * 90))
    monkeypatch.setenv("COLUMNS", "100")
    assert re.fullmatch(r"a{32}… \|.{6,}\|   0 %         0 B/64\.0 MiB +", bars.rows()[0])
    monkeypatch.setenv("COLUMNS", "60")
    assert re.fullmatch(r"a{18}… \|.{6,}\|   0 % {25}", bars.rows()[0])


def test_waiting_and_finishing_are_visible(bars: Bars) -> None:
    bars.event(started())
    bars.event(events.Retry("t", "a.bin", 3, "503", 2.0))
    assert re.fullmatch(r"a\.bin \| +\| {29}part 3 again in 2 s \(503\)", bars.rows()[0])
    bars.event(events.Finishing("t", "a.bin"))
    assert re.fullmatch(r"a\.bin \|█+\| +finishing …", bars.rows()[0])


def test_waiting_is_visible_before_there_is_a_bar(window: Window, bars: Bars) -> None:
    bars.event(events.Retry("", "", None, "no answer", 3.0))
    window.wait_for("no answer; again in 3.0 s")
    bars.event(events.Retry("new", "a.bin", None, "no answer", 9.0))
    assert bars.rows() == ["a.bin: no answer; again in 9.0 s"]
    bars.event(started())
    assert [row[:5] for row in bars.rows()] == ["a.bin"]
    assert "no answer" not in bars.rows()[0]
    bars.event(events.Retry("new", "a.bin", None, "no answer", 9.0))
    bars.result({}, "answer")
    assert len(bars.rows()) == 1


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_bars_of_a_simple_terminal(encoding: str, window: Window) -> None:
    bars = Bars(Window(encoding))
    bars.event(started("é.bin"))
    bars.event(events.Progress("t", "é.bin", 48 * MIB, 64 * MIB))
    bars.event(started("b", "t2"))
    bars.event(events.Finishing("t2", "b"))
    rows = bars.rows()
    bars.close()
    assert [row.isascii() for row in rows] == [encoding == "ascii"] * 3
    if encoding == "ascii":
        assert re.match(r"\\xe9\.bin +\|#+ +\|  75 %", rows[0])
        assert rows[1].endswith("finishing ...")


def test_empty_file_is_all_there(bars: Bars) -> None:
    bars.expect(2, 0)
    bars.event(started(size=0))
    assert re.match(r"a\.bin +\|█+\| 100 %         0 B/0 B", bars.rows()[0])
    assert re.match(r"0 of 2 files +\|█+\| 100 %", bars.rows()[1])


def test_total_of_many_files_is_the_last_row(bars: Bars) -> None:
    bars.expect(1000, 1000 * MIB)
    for number in range(12):
        bars.event(started(f"{number}.bin", f"t{number}", MIB))
    bars.event(events.Failed("t0", "0.bin", "failed", "No.", ""))
    bars.event(events.Finished("t99", "99.bin", MIB, None, 0.0, 0))
    rows = bars.rows()
    assert len(rows) == 9
    assert rows[-1].startswith("1 of 1,000 files, 1 failed")


def test_stopping_is_visible(bars: Bars) -> None:
    bars.event(started())
    bars.stopping()
    assert bars.rows()[-1] == display.STOPPING


def test_colours(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    bars = Bars(window, window)
    for event in EVENTS:
        bars.event(event)
    bars.error(NotAuthorised("Refused.", hint="Log in."))
    bars.event(started("c"))
    row = bars.rows()[0]
    bars.close()
    for said in (
        "\x1b[32m✓\x1b[0m a",
        "\x1b[31m✗\x1b[0m b: b",
        "\x1b[33m•\x1b[0m é",
        "\x1b[31m✗ Refused.\x1b[0m Log in.\n",
    ):
        assert said in window.getvalue()
    assert re.search(r"\|\x1b\[36m +\x1b\[0m\|", row)


def test_only_what_is_done_stays_on_the_screen(window: Window, bars: Bars) -> None:
    bars.event(EVENTS[0])
    window.wait_for("MiB/64.0 MiB")
    for event in EVENTS:
        bars.event(event)
    bars.result({}, "answer")
    bars.error(NotAuthorised("The token was refused.", hint="Log in."))
    assert window.cursor
    assert window.shown() == [
        "• é: sent with composed letters",
        "• the token travels unencrypted",
        "✓ a\\x1b.bin: 64.0 MiB in 2.0 s (24.0 MiB/s)",
        "✗ b: b cannot be read. Look.",
        "✗ 1 file, 64.0 MiB in 2.0 s; 1 failed",
        "answer",
        "✗ The token was refused. Log in.",
    ]


def test_rest_of_the_notices_is_counted_at_the_end(window: Window, bars: Bars) -> None:
    for number in range(7):
        bars.event(events.Notice("name_normalised", "composed", str(number)))
    bars.close()
    assert window.shown()[-1] == "• … and 2 notices more of this kind (name_normalised)"
