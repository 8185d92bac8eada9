# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Numbers and names as people read them."""

import pytest

from oarepo_s3_client.cli import texts


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("500B", 500),
        ("10k", 10_240),
        ("10MiB", 10 * 2**20),
        ("10M", 10 * 2**20),
        ("10MB", 10_000_000),
        ("1.5 GiB", 3 * 2**29),
        ("2tib", 2**41),
        ("10MiB/s", 10 * 2**20),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert texts.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "MiB", "10 XB", "1e3", "0", "0.1B", "ten"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="size|less"):
        texts.parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (2**20 - 1, "1023.9 KiB"),
        (3 * 2**29, "1.5 GiB"),
        (10 * 2**40, "10.0 TiB"),
        (5000 * 2**50, "5000.0 PiB"),
    ],
)
def test_sizes_are_cut_off_not_rounded_up(size: int, text: str) -> None:
    assert texts.size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.84, "0.8 s"), (42.4, "42 s"), (187, "3:07 min"), (7500, "2:05 h"), (100 * 3600, "4 d 4 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert texts.duration_text(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "shown"), [(0, 10, 0), (999, 1000, 99), (1000, 1000, 100), (5, 4, 100), (0, 0, 100), (-1, 4, 0)]
)
def test_percents_are_honest(part: int, whole: int, shown: int) -> None:
    assert texts.percent(part, whole) == shown


def test_names_do_not_steer_the_terminal() -> None:
    assert texts.printable("a\x1b[2Jb\nc") == "a\\x1b[2Jb\\nc"
    assert texts.printable("Příloha č. 1.pdf 漢字") == "Příloha č. 1.pdf 漢字"


def test_tables_align_wide_letters() -> None:
    lines = texts.table([("SIZE", "KEY", "X"), ("1", "漢字", "x"), ("12", "abc", "")], right=frozenset({0}))
    assert lines == ["SIZE  KEY   X", "   1  漢字  x", "  12  abc"]


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("data.bin", 8),
        ("Příloha", 7),
        ("漢字", 4),
        ("ｗｉｄｅ", 8),
        ("e\u0301", 1),
        ("a\u20dd", 1),
        ("\u1112\u1161\u11ab", 2),
        ("각", 2),
        ("🗎🚀", 3),
    ],
)
def test_width_of_letters_of_all_kinds(text: str, width: int) -> None:
    assert texts.cell_width(text) == width


@pytest.mark.parametrize(
    ("text", "most", "ellipsis", "short"),
    [
        ("data.bin", 8, "…", "data.bin"),
        ("data.bin", 7, "…", "data.b…"),
        ("data.bin", 7, "...", "data..."),
        ("data.bin", 2, "...", ".."),
        ("data.bin", 1, "…", "…"),
        ("漢字漢字", 8, "…", "漢字漢字"),
        ("漢字漢字", 6, "…", "漢字…"),
        ("e\u0301e\u0301e\u0301", 2, "…", "e\u0301…"),
    ],
)
def test_what_is_too_long_ends_in_an_ellipsis(text: str, most: int, ellipsis: str, short: str) -> None:
    assert texts.shortened(text, most, ellipsis) == short


def test_counts() -> None:
    assert (texts.count_text(1, "file"), texts.count_text(10_000, "file")) == ("1 file", "10,000 files")


def test_unknown_rate_is_blank() -> None:
    assert (texts.rate_text(None), texts.rate_text(2048)) == ("", "2.0 KiB/s")


@pytest.mark.parametrize(("seconds", "text"), [(None, ""), (0.2, "1 s"), (9.9, "10 s"), (187, "3:07 min")])
def test_guesses_are_whole_seconds(seconds: float | None, text: str) -> None:
    assert texts.left_text(seconds) == text
