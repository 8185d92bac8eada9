# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Rows that are drawn over and over on a terminal, and lines that stay."""

import sys
from itertools import count
from threading import Event, Thread

import pytest

from oarepo_s3_client.cli.screen import Screen
from tests.client.cli.terminal import SECONDS, Window


@pytest.fixture(autouse=True)
def size(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the window."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def window() -> Window:
    return Window()


def test_rows_go_and_lines_stay(window: Window) -> None:
    screen = Screen(window)
    screen.say("before")
    assert window.getvalue() == "before\n"
    screen.start(lambda: ["one", "two"])
    screen.start(lambda: ["never"])
    window.wait_for("two")
    assert window.shown() == ["before", "one", "two"]
    assert not window.cursor
    screen.say("a long line that stays")
    window.wait_for("stays")
    assert window.shown() == ["before", "a long line that stays", "one", "two"]
    screen.stop()
    screen.stop()
    screen.say("after")
    assert window.shown() == ["before", "a long line that stays", "after"]
    assert window.cursor


def test_it_can_be_started_again(window: Window) -> None:
    screen = Screen(window)
    for row in ("first", "second"):
        screen.start(lambda row=row: [row])
        window.wait_for(row)
        screen.stop()
    assert window.shown() == []


def test_rows_change_though_nothing_happens(window: Window) -> None:
    numbers = count()
    screen = Screen(window)
    screen.start(lambda: [f"row {next(numbers)}"])
    window.wait_for("row 3")
    screen.stop()
    assert window.writes == next(numbers) + 3  # and the cursor twice, and the end


def test_rows_that_are_the_same_are_not_written_again(window: Window) -> None:
    drawn, often = count(1), Event()

    def draw() -> list[str]:
        if next(drawn) == 4:
            often.set()
        return ["same"]

    screen = Screen(window)
    screen.start(draw)
    assert often.wait(SECONDS)
    screen.stop()
    assert window.writes == 4


def test_many_lines_are_few_writes(window: Window) -> None:
    drawn = count()
    screen = Screen(window)
    screen.start(lambda: [str(next(drawn))])
    for number in range(10_000):
        screen.say(f"line {number}")
    screen.stop()
    assert window.shown() == [f"line {number}" for number in range(10_000)]
    assert window.writes <= next(drawn) + 3


def test_terminal_that_is_held_up_holds_up_nobody() -> None:
    held, released = Event(), Event()

    class Held(Window):
        def write(self, text: str) -> int:
            if "row" in text:
                held.set()
                assert released.wait(SECONDS)
            return super().write(text)

    window = Held()
    screen = Screen(window)
    screen.start(lambda: ["row"])
    assert held.wait(SECONDS)
    talkers = [Thread(target=screen.say, args=(f"line {number}",)) for number in range(4)]
    for talker in talkers:
        talker.start()
    for talker in talkers:
        talker.join(SECONDS)
        assert not talker.is_alive()
    released.set()
    screen.stop()
    assert sorted(window.shown()) == [f"line {number}" for number in range(4)]


def test_narrower_terminal_has_broken_the_rows(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(window)
    screen.start(lambda: ["\x1b[36m" + 15 * "漢" + "\x1b[0m", "last"])
    window.wait_for("last")
    monkeypatch.setenv("COLUMNS", "20")
    screen.stop()
    assert "\x1b[2A" in window.getvalue()


def test_low_terminal_shows_the_last_rows(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "3")
    screen = Screen(window)
    screen.start(lambda: ["1", "2", "3"])
    window.wait_for("3")
    assert window.shown() == ["2", "3"]
    screen.stop()


def test_ctrl_c_while_it_stops_does_not_hide_the_cursor(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Thread) -> None:
        raise KeyboardInterrupt

    screen = Screen(window)
    screen.start(lambda: ["row"])
    window.wait_for("row")
    with monkeypatch.context() as patch:
        patch.setattr(Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            screen.stop()
    assert window.cursor


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("I/O operation on closed file.")])
def test_closed_window_is_written_to_no_more(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    class Closed(Window):
        def flush(self) -> None:
            self.writes += 1
            raise error

    window = Closed()
    monkeypatch.setattr(sys, name, window)
    screen = Screen(window)
    for _ in range(3):
        screen.say("line")
    assert window.writes == 2  # the first, and its flush
    stream = getattr(sys, name)
    assert stream is not window
    stream.write("for nobody")
    stream.close()


def test_process_without_a_terminal_shows_nothing() -> None:
    screen = Screen(None)
    screen.start(lambda: ["row"])
    screen.say(screen.styled("line", "red"))
    screen.stop()
    assert screen.text("é") == "é"


@pytest.mark.parametrize(
    ("encoding", "blocks", "shown"),
    [
        ("utf-8", True, "✓ é漢\\udcff…"),
        ("latin-1", False, "+ é\\u6f22\\udcff..."),
        ("ascii", False, "+ \\xe9\\u6f22\\udcff..."),
    ],
)
def test_letters_that_the_terminal_does_not_have(encoding: str, blocks: bool, shown: str) -> None:
    screen = Screen(Window(encoding))
    assert screen.text("✓ é漢\udcff…") == shown
    assert screen.has_blocks is blocks


@pytest.mark.parametrize(("value", "shown"), [(None, "\x1b[31mno\x1b[0m"), ("", "\x1b[31mno\x1b[0m"), ("1", "no")])
def test_colours_are_not_for_everybody(monkeypatch: pytest.MonkeyPatch, value: str | None, shown: str) -> None:
    if value is not None:
        monkeypatch.setenv("NO_COLOR", value)
    assert Screen(Window()).styled("no", "red") == shown
    assert Screen(Window()).styled("no", "") == "no"
