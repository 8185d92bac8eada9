# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Which files of a folder get which keys."""

import os
import unicodedata
from pathlib import Path

import pytest

from oarepo_s3_client.cli.folders import Found, Selection, Skipped, Trouble, collect, key_of, matches, walk
from oarepo_s3_client.errors import SourceError, UsageError

ALL = Selection()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    for name in ("b.txt", "a.csv", "raw/1.dat", "raw/deep/2.dat", ".hidden/x", "raw/deep/er/3.csv"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def keys(folder: Path, selection: Selection = ALL, prefix: str = "") -> list[str]:
    return [one.key for one in walk(str(folder), prefix, selection) if isinstance(one, Found)]


def test_keys_are_paths_within_the_folder(folder: Path) -> None:
    expected = ["a.csv", "b.txt", ".hidden/x", "raw/1.dat", "raw/deep/2.dat", "raw/deep/er/3.csv"]
    assert keys(folder) == expected
    assert keys(folder, prefix="v1/") == [f"v1/{key}" for key in expected]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(include=["*.csv"]), ["a.csv", "raw/deep/er/3.csv"]),
        (Selection(include=["raw/*.dat"]), ["raw/1.dat"]),
        (Selection(include=["raw/**/*.dat"]), ["raw/1.dat", "raw/deep/2.dat"]),
        (Selection(include=["*.csv", "b.*"]), ["a.csv", "b.txt", "raw/deep/er/3.csv"]),
        (Selection(exclude=["raw", ".hidden"]), ["a.csv", "b.txt"]),
        (Selection(exclude=["raw/deep/", ".*"]), ["a.csv", "b.txt", "raw/1.dat"]),
        (Selection(include=["*.csv"], exclude=["deep"]), ["a.csv"]),
        (Selection(max_depth=1), ["a.csv", "b.txt"]),
        (Selection(max_depth=2), ["a.csv", "b.txt", ".hidden/x", "raw/1.dat"]),
    ],
)
def test_selection(folder: Path, selection: Selection, expected: list[str]) -> None:
    assert keys(folder, selection) == expected
    assert [key for key in keys(folder) if selection.takes(key)] == expected


def test_stars_stop_at_slashes() -> None:
    assert matches("a/b/c", "a/**")
    assert matches("a/c", "a/**/c")
    assert not matches("a/b/c", "a/*")
    assert not matches("a", "a/b")


def test_patterns_match_however_letters_are_composed(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "příloha.txt")).touch()
    assert keys(tmp_path, Selection(include=[unicodedata.normalize("NFD", "pří*")])) == ["příloha.txt"]


def test_names_are_composed_and_it_is_known(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "é.txt")).touch()
    (found,) = walk(str(tmp_path), "", ALL)
    assert isinstance(found, Found)
    assert (found.key, found.renamed) == ("\u00e9.txt", True)


def test_two_spellings_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        (tmp_path / unicodedata.normalize(form, "é.txt")).touch()
    first, second = sorted(collect([str(tmp_path)], None, ALL, recursive=True), key=lambda one: type(one).__name__)
    assert isinstance(first, Found)
    assert isinstance(second, Trouble)
    assert second.error.code == "same_key"


def test_links(tmp_path: Path, folder: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "file").symlink_to(folder / "a.csv")
    (linked / "folder").symlink_to(folder)
    (linked / "gone").symlink_to(tmp_path / "nowhere")
    (linked / "circle").symlink_to("circle")
    found = {one.key: one for one in walk(str(linked), "", ALL)}
    assert isinstance(found["file"], Found)
    assert isinstance(found["folder"], Skipped)
    assert isinstance(found["circle"], Trouble)
    gone = found["gone"]
    assert isinstance(gone, Trouble)
    assert gone.error.message == f"{linked / 'gone'} cannot be read: it is a link to nothing."


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (trouble,) = walk(str(tmp_path), "", ALL)
    assert isinstance(trouble, Trouble)
    assert "no regular file" in trouble.error.message


def test_folder_that_cannot_be_listed_does_not_hide_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> "os._ScandirIterator[str]":
        if path.endswith("deep"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(walk(str(folder), "", ALL))
    (trouble,) = [one for one in found if isinstance(one, Trouble)]
    assert (trouble.key, trouble.error.message) == (
        "raw/deep/",
        f"{folder}/raw/deep cannot be read: permission denied.",
    )
    assert len(found) == 5


def test_names_in_another_encoding_are_refused(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.txt", "wb"):
        pass
    (trouble,) = walk(str(tmp_path), "", ALL)
    assert isinstance(trouble, Trouble)
    assert (trouble.key, trouble.error.hint) == ("\ufffd.txt", "Rename it.")
    with pytest.raises(SourceError):
        key_of("\udcff")


def test_sources_of_a_command_line(folder: Path) -> None:
    single = str(folder / "b.txt")
    assert [one.key for one in collect([single], None, ALL, recursive=False)] == ["b.txt"]
    assert [one.key for one in collect([single], "c/d.txt", ALL, recursive=False)] == ["c/d.txt"]
    both = list(collect([str(folder), single], None, Selection(max_depth=1), recursive=True))
    assert [one.key for one in both] == ["a.csv", "b.txt"]
    other = folder / "raw" / "b.txt"
    other.touch()
    (_, trouble) = collect([single, str(other)], None, ALL, recursive=False)
    assert isinstance(trouble, Trouble)
    assert trouble.error.message == f"{other} has the same key as {single}."


def test_folders_have_to_be_meant(folder: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        list(collect([str(folder)], None, ALL, recursive=False))


def test_one_key_is_for_one_source(folder: Path) -> None:
    with pytest.raises(UsageError, match="--key"):
        list(collect([str(folder), "other"], "x", ALL, recursive=True))


def test_missing_file_is_told(tmp_path: Path) -> None:
    (trouble,) = collect([str(tmp_path / "none")], None, ALL, recursive=False)
    assert isinstance(trouble, Trouble)
    assert trouble.error.message.endswith("no such file or directory.")
