# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
import io

import pytest

from demo.progress import WIDTH, Progress
from demo.sizes import format_bytes


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_terminal_sees_a_bar_that_ends_full():
    output = Terminal()
    progress = Progress(1000, output)
    for count in (0, 600, -100, 500):
        progress.add(count)
    first, *_, last = output.getvalue().split("\r")[1:]
    assert "█" not in first
    assert "  0 %" in first
    assert last.count("█") == WIDTH
    assert "100 %" in last
    assert output.getvalue().count("\n") == 1


def test_log_sees_a_plain_line_for_each_quarter():
    output = io.StringIO()
    progress = Progress(1000, output)
    for count in (10, 250, 10, 300, -50, 50, 430):
        progress.add(count)
    assert [line.split("%")[0].strip() for line in output.getvalue().splitlines()] == ["26", "57", "100"]
    assert "\r" not in output.getvalue()


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (64 * 2**20, "64.0 MiB"), (3 * 2**50, "3,072.0 TiB")],
)
def test_size_has_the_biggest_unit_below_it(count, text):
    assert format_bytes(count) == text
