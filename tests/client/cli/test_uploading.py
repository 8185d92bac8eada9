# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""``upload`` and ``resume``, as far as the command line decides."""

import io
import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from oarepo_s3_client.errors import ClientError, IntegrityError, NotAuthorised, NotFound, SourceError
from tests.client.cli.conftest import Ended
from tests.client.cli.fake import CHECKSUM, World

Run = Callable[..., Ended]


# one file -------------------------------------------------------------------------------------------------------------


def test_file_is_uploaded_under_its_name(oarepo: Run, world: World, folder: Path, target: str) -> None:
    ended = oarepo("upload", folder / "a.txt", f"{target}/")
    assert (ended.code, ended.err) == (0, "")
    assert world.asked("upload") == [(str(folder / "a.txt"), target, "a.txt")]
    assert ended.out.splitlines() == ["a.txt: 5 B", "a.txt: finishing", f"a.txt: 5 B in 1.0 s (5 B/s), {CHECKSUM}"]


def test_events_of_an_upload(oarepo: Run, folder: Path, target: str) -> None:
    ended = oarepo("upload", "--json", folder / "a.txt", target, "--key", "x/y.txt")
    names = ["started", "progress", "part", "finishing", "finished", "summary"]
    assert [line["type"] for line in ended.lines] == names
    (summary,) = ended.of_type("summary")
    assert (summary["files"], summary["failed"], summary["bytes"]) == (1, 0, 5)
    assert {line["key"] for line in ended.lines if "key" in line} == {"x/y.txt"}


def test_options_reach_the_client(oarepo: Run, world: World, folder: Path, target: str, home: Path) -> None:
    bundle = home / "ca.pem"
    bundle.touch()
    options = ["--limit-rate", "10MiB", "--parallel", 7, "--part-size", "64MiB", "--no-part-md5", "--proxy", "http://p"]
    ended = oarepo("upload", *options, "--ca-bundle", bundle, "--token", "secret", folder / "a.txt", target)
    assert ended.code == 0
    (used,) = world.options
    assert (used.limit_rate, used.parallel, used.part_size, used.part_md5) == (10 * 2**20, 7, 64 * 2**20, False)
    assert (used.proxy, used.ca_bundle, used.token) == ("http://p", str(bundle), "secret")
    assert "secret" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClientError("No luck.", hint="Try."), 1),
        (NotAuthorised("The token was refused.", hint="Try."), 4),
        (IntegrityError("Not what was sent.", hint="Try."), 6),
    ],
)
def test_errors_are_one_sentence_and_the_next_step(
    oarepo: Run, world: World, folder: Path, target: str, error: ClientError, code: int
) -> None:
    world.failures["a.txt"] = error
    ended = oarepo("upload", "-q", folder / "a.txt", target)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err == f"a.txt: {error.message} Try.\n"
    ended = oarepo("upload", "--json", folder / "a.txt", target)
    assert (ended.code, ended.err) == (code, "")
    (line,) = ended.of_type("failed")
    assert (line["code"], line["message"], line["hint"]) == (error.code, error.message, "Try.")


def test_errors_before_a_transfer_are_events_without_a_file(
    oarepo: Run, world: World, folder: Path, target: str
) -> None:
    world.broken = NotFound("There is no such record.")
    ended = oarepo("upload", "--json", folder / "a.txt", target)
    assert ended.code == 1
    (line,) = ended.of_type("failed")
    assert (line["key"], line["code"]) == ("", "not_found")
    assert ended.err.startswith("oarepo-s3: There is no such record.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}", "{target}"], "is a folder. Add --recursive"),
        (["{folder}/a.txt", "repo.example.org/1"], "is no web address of a record"),
        (["{folder}/a.txt", "/api/records/1"], "not known which server"),
        (["{folder}/a.txt", "{target}", "--size", "5"], "--size is for standard input"),
        (["-", "{target}"], "Give --key and --size"),
        (["-", "x", "{target}", "--key", "k", "--size", "5"], "cannot be sent together"),
        (["-", "{target}", "--key", "k", "--size", "5", "--token-file", "-"], "both the token and the file"),
        (["-r", "{folder}", "{target}", "--include", "*.none"], "There is no file to upload"),
        (["-r", "{folder}", "{folder}/a.txt", "{target}", "--key", "k"], "--key is for one file"),
        (["{folder}/a.txt", "{target}", "--limit-rate", "fast"], "is no size such as 64MiB"),
        (["{folder}/a.txt"], "Missing argument"),
        (["{folder}/a.txt", "{target}", "--parallel", "0"], "not in the range"),
    ],
)
def test_wrong_usage_ends_with_2(
    oarepo: Run, world: World, folder: Path, target: str, arguments: list[str], message: str
) -> None:
    ended = oarepo("upload", *(one.format(folder=folder, target=target) for one in arguments))
    assert ended.code == 2
    assert message in " ".join(ended.err.split())
    assert world.asked("upload") == []


def test_missing_file_fails(oarepo: Run, home: Path, target: str) -> None:
    ended = oarepo("upload", home / "none", target)
    assert (ended.code, ended.err.count("none cannot be read")) == (1, 1)


def test_standard_input_is_uploaded(oarepo: Run, world: World, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"12345")))
    ended = oarepo("upload", "-", target, "--key", "x.bin", "--size", "5")
    assert ended.code == 0
    assert world.content == {"x.bin": b"12345"}


# folders --------------------------------------------------------------------------------------------------------------


def test_folder_is_uploaded(oarepo: Run, world: World, folder: Path, target: str) -> None:
    ended = oarepo("upload", "-r", folder, target, "--key", "v1/")
    assert ended.code == 0
    assert set(world.content) == {"v1/a.txt", "v1/b.txt", "v1/sub/c.txt"}
    assert ended.out.splitlines()[0] == "3 files, 19 B"
    assert ended.out.splitlines()[-1].startswith("3 files, 19 B in ")
    assert world.asked("upload_many") == [(target, "skip")]


def test_some_failed_is_3_and_the_others_are_there(oarepo: Run, world: World, folder: Path, target: str) -> None:
    (folder / "gone").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    world.failures["b.txt"] = SourceError("b.txt cannot be read.")
    ended = oarepo("upload", "--json", "-r", folder, target)
    assert ended.code == 3
    assert set(world.content) == {"a.txt", "sub/c.txt"}
    assert sorted(line["key"] for line in ended.of_type("failed")) == ["b.txt", "gone", "pipe"]
    (summary,) = ended.of_type("summary")
    assert (summary["files"], summary["failed"]) == (2, 3)


def test_folder_of_ten_thousand_files(oarepo: Run, world: World, tmp_path: Path, target: str) -> None:
    root = tmp_path / "many"
    for number in range(9_995):
        path = root / f"{number // 1000}" / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for number in range(5):
        (root / f"gone{number}").symlink_to("nowhere")
    ended = oarepo("upload", "-r", root, target)
    assert (ended.code, len(world.content)) == (3, 9_995)
    assert ended.out.splitlines()[0] == "10,000 files, 9.7 KiB"
    assert ended.out.splitlines()[-1].startswith("9,995 files, 9.7 KiB in ")
    assert len(ended.err.splitlines()) == 5


def test_all_failed_for_one_reason_ends_with_its_code(oarepo: Run, world: World, folder: Path, target: str) -> None:
    world.failures = dict.fromkeys(["a.txt", "b.txt", "sub/c.txt"], NotAuthorised("The token was refused."))
    assert oarepo("upload", "-r", folder, target).code == 4


def test_stop_at_the_first_error(oarepo: Run, world: World, folder: Path, target: str) -> None:
    world.failures["a.txt"] = SourceError("a.txt cannot be read.")
    ended = oarepo("upload", "-r", "--on-error", "stop", folder, target)
    assert (ended.code, world.content, ended.err.count("a.txt cannot")) == (1, {}, 1)
    assert world.asked("upload_many") == [(target, "raise")]
    (folder / "0").symlink_to("nowhere")
    ended = oarepo("upload", "-r", "--on-error", "stop", folder, target)
    assert (ended.code, ended.err.count("0 cannot be read")) == (1, 1)
    assert len(world.asked("upload_many")) == 1


def test_names_are_normalised_and_it_is_said(oarepo: Run, world: World, folder: Path, target: str) -> None:
    (folder / "a.txt").rename(folder / unicodedata.normalize("NFD", "é.txt"))
    ended = oarepo("upload", "--json", "-r", folder, target)
    assert "\u00e9.txt" in world.content
    (notice,) = ended.of_type("notice")
    assert (notice["code"], notice["key"]) == ("name_normalised", "\u00e9.txt")


def test_links_to_folders_are_not_followed_and_it_is_said(oarepo: Run, world: World, folder: Path, target: str) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    ended = oarepo("upload", "--json", "-r", folder, target)
    assert ended.code == 0
    assert [line["code"] for line in ended.of_type("notice")] == ["folder_link_skipped"]
    assert len(world.content) == 3


def test_dry_run_asks_nobody(oarepo: Run, world: World, folder: Path, target: str) -> None:
    (folder / "gone").symlink_to("nowhere")
    ended = oarepo("upload", "--dry-run", "-r", folder, target)
    assert (ended.code, world.calls, world.options) == (3, [], [])
    assert ended.out.splitlines()[0] == f"       5 B  {folder}/a.txt → a.txt"
    ended = oarepo("upload", "-n", "--json", "-r", "--exclude", "gone", folder, target)
    assert [line["key"] for line in ended.of_type("planned")] == ["a.txt", "b.txt", "sub/c.txt"]
    ended = oarepo("upload", "-n", "--json", "-", target, "--key", "k", "--size", "1KiB")
    assert [(line["path"], line["size"]) for line in ended.of_type("planned")] == [("-", 1024)]


# again ----------------------------------------------------------------------------------------------------------------


def test_what_is_there_counts_as_done(oarepo: Run, world: World, folder: Path, target: str) -> None:
    world.content = {"a.txt": b"a.txt"}
    ended = oarepo("upload", "--json", "-r", folder, target)
    assert ended.code == 0
    assert [(line["code"], line["key"]) for line in ended.of_type("notice")] == [("already_there", "a.txt")]
    (summary,) = ended.of_type("summary")
    assert (summary["files"], summary["bytes"]) == (3, 19)


def test_what_is_there_is_said_in_one_line(oarepo: Run, world: World, folder: Path, target: str) -> None:
    world.content = {"a.txt": b"a.txt"}
    ended = oarepo("upload", folder / "a.txt", target)
    assert (ended.code, ended.out) == (0, f"a.txt: 5 B, already there, {CHECKSUM}\n")
