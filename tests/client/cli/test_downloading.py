# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""``download`` and ``cat``, as far as the command line decides."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from oarepo_s3_client.api import FileInfo
from oarepo_s3_client.cli.downloading import place_of, safe_parts
from oarepo_s3_client.errors import ClientError, NotAuthorised, SourceError
from tests.client.cli.conftest import Ended
from tests.client.cli.fake import World, there

Run = Callable[..., Ended]
CONTENT = {"a.txt": b"first", "sub/b.csv": b"second", "sub/c.txt": b"third"}


@pytest.fixture
def record(world: World) -> World:
    """A record with three files, and one that nobody has finished."""
    world.content = dict(CONTENT)
    world.files = [there(key, content) for key, content in CONTENT.items()]
    world.files.append(FileInfo("pending.bin", 5, None, "pending"))
    return world


def tree(folder: Path) -> dict[str, bytes]:
    """What a folder holds."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_file_under_another_name(oarepo: Run, record: World, home: Path, target: str) -> None:
    ended = oarepo("download", target, "sub/b.csv", "-o", home / "x.csv")
    assert (ended.code, (home / "x.csv").read_bytes()) == (0, b"second")
    assert record.asked("download") == [(target, "sub/b.csv", home / "x.csv")]


def test_file_into_a_folder(oarepo: Run, record: World, home: Path, target: str) -> None:
    (home / "here").mkdir()
    assert oarepo("download", target, "sub/b.csv", "-o", home / "here").code == 0
    assert oarepo("download", target, "a.txt", "-o", f"{home}/new/").code == 0
    assert tree(home / "here") == {"sub/b.csv": b"second"}
    assert tree(home / "new") == {"a.txt": b"first"}


def test_all_files_and_some(oarepo: Run, record: World, home: Path, target: str) -> None:
    assert oarepo("download", "-r", target, "-o", home / "all").code == 0
    assert tree(home / "all") == CONTENT
    assert oarepo("download", "-r", target, "-o", home / "csv", "--include", "*.csv").code == 0
    assert tree(home / "csv") == {"sub/b.csv": b"second"}
    assert oarepo("download", target, "a.txt", "sub/c.txt", "-o", home / "two").code == 0
    assert tree(home / "two") == {"a.txt": b"first", "sub/c.txt": b"third"}


def test_run_again_fetches_only_the_rest(oarepo: Run, record: World, home: Path, target: str) -> None:
    (home / "a.txt").write_bytes(b"first")
    ended = oarepo("download", "--json", "-r", target, "-o", home)
    assert ended.code == 0
    assert [one[1] for one in record.asked("download")] == ["sub/b.csv", "sub/c.txt"]
    assert [(line["code"], line["key"]) for line in ended.of_type("notice")] == [("already_there", "a.txt")]
    (summary,) = ended.of_type("summary")
    assert (summary["files"], summary["bytes"]) == (3, 16)


def test_other_files_are_not_overwritten(oarepo: Run, record: World, home: Path, target: str) -> None:
    (home / "a.txt").write_bytes(b"mine!")
    (home / "sub" / "b.csv").mkdir(parents=True)
    ended = oarepo("download", "-r", target, "-o", home)
    assert ended.code == 3
    assert (home / "a.txt").read_bytes() == b"mine!"
    assert (home / "sub" / "c.txt").read_bytes() == b"third"
    assert ended.err.count("is here already and is another file") == 2


def test_folder_that_cannot_be_made_is_told(oarepo: Run, record: World, home: Path, target: str) -> None:
    (home / "sub").touch()
    ended = oarepo("download", target, "sub/b.csv", "a.txt", "-o", home)
    assert (ended.code, (home / "a.txt").read_bytes()) == (3, b"first")
    assert "cannot be written" in ended.err


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/x", "a//b", "a/./b", "x\0y", ".."])
def test_no_key_leads_out_of_the_folder(oarepo: Run, record: World, home: Path, target: str, key: str) -> None:
    record.content[key] = b"evil"
    record.files = [there(key, b"evil"), *record.files]
    ended = oarepo("download", "-r", target, "-o", home / "here")
    assert ended.code == 3
    assert tree(home / "here") == CONTENT
    assert not (home / "x").exists()
    assert place_of(key, str(home / "here.bin"), many=False) == home / "here.bin"


@pytest.mark.parametrize("key", ["C:/x", "a\\..\\x"])
def test_no_key_of_windows_leads_out_either(key: str) -> None:
    assert safe_parts(key, windows=False) == key.split("/")
    with pytest.raises(SourceError):
        safe_parts(key, windows=True)


def test_errors_of_one_file(oarepo: Run, record: World, home: Path, target: str) -> None:
    record.failures["a.txt"] = NotAuthorised("The token was refused.")
    ended = oarepo("download", target, "a.txt", "-o", home)
    assert (ended.code, ended.err.count("refused")) == (4, 1)
    record.failures["a.txt"] = ClientError("No luck.")
    ended = oarepo("download", "-r", "--on-error", "stop", target, "-o", home / "all")
    assert (ended.code, tree(home / "all")) == (1, {})


@pytest.mark.parametrize("key", ["none", "pending.bin"])
def test_what_is_not_there_is_told(oarepo: Run, record: World, home: Path, target: str, key: str) -> None:
    ended = oarepo("download", target, key, "-o", home)
    assert (ended.code, record.asked("download")) == (1, [])
    assert f"The record has no file {key} to download." in ended.err


def test_nothing_is_told(oarepo: Run, record: World, home: Path, target: str) -> None:
    ended = oarepo("download", "-r", "--include", "*.none", target, "-o", home)
    assert (ended.code, "no file to download" in ended.err) == (1, True)


@pytest.mark.parametrize("arguments", [[], ["-r", "a.txt"]])
def test_either_names_or_all(oarepo: Run, record: World, target: str, arguments: list[str]) -> None:
    assert oarepo("download", target, *arguments).code == 2


def test_dry_run_fetches_nothing(oarepo: Run, record: World, home: Path, target: str) -> None:
    ended = oarepo("download", "-n", "--json", "-r", target, "-o", home)
    assert (ended.code, record.asked("download")) == (0, [])
    assert [line["path"] for line in ended.of_type("planned")] == [f"{home}/{key}" for key in CONTENT]


def test_interrupted(oarepo: Run, record: World, home: Path, target: str) -> None:
    record.before = lambda key: os.kill(os.getpid(), signal.SIGINT)
    ended = oarepo("download", "-r", target, "-o", home)
    assert (ended.code, len(record.asked("download"))) == (5, 1)


# cat ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "printed"),
    [([], "second"), (["--start", "2"], "cond"), (["--length", "3"], "sec"), (["--start", "9", "--length", "3"], "")],
)
def test_cat(oarepo: Run, record: World, target: str, options: list[str], printed: str) -> None:
    ended = oarepo("cat", target, "sub/b.csv", *options)
    assert (ended.code, ended.out, ended.err) == (0, printed, "")


def test_cat_reads_in_blocks(oarepo: Run, record: World, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oarepo_s3_client.cli.downloading.BLOCK", 4)
    assert oarepo("cat", target, "sub/b.csv").out == "second"
    assert record.asked("read") == [(0, 4), (4, 2)]


def test_cat_prints_no_json(oarepo: Run, record: World, target: str) -> None:
    assert oarepo("cat", "--json", target, "a.txt").code == 2
