# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The pages about the client do what they say, against a real repository, and name what there is."""

import asyncio
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from sphinx.errors import ExtensionError

from docs._ext import client as reference
from oarepo_s3_client.cli import cli
from tests.client import repository as repository_module
from tests.client.repository import MIB, TOKEN, Repository
from tests.docs.pages import DOCS, Block, blocks
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server

PAGE = DOCS / "client" / "python.md"
EXAMPLES = list(blocks(PAGE, "python"))
SHELL = [block for page in (DOCS / "client").glob("*.md") for block in blocks(page, "bash")]


@pytest.fixture(scope="module")
def repository(postgres: PostgresServer, rclone: S3Server) -> Iterator[Repository]:
    with repository_module.start(postgres, rclone) as running:
        yield running


@pytest.fixture
def names(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the examples take for granted: a record, a token, some files here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OAREPO_S3_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * (11 * MIB // 256))
    (tmp_path / "results").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "results" / name).write_text("x,y\n")
    (tmp_path / "results" / "c.csv").symlink_to("nowhere")
    return {"record": repository.add_record(), "token": TOKEN}


def run(needle: str, names: dict[str, Any]) -> dict[str, Any]:
    """Execute the one example with this text in it; the names that it has then."""
    (block,) = [block for block in EXAMPLES if needle in block.text]
    exec(compile(block.text, str(block), "exec"), names)
    return names


# Python ---------------------------------------------------------------------------------------------------------------


def test_upload_and_download(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run("print(uploaded.key", names)
    assert re.fullmatch(r"data\.bin 11534336 multipart:[0-9a-f]{32}-3-5242880\n", capsys.readouterr().out)
    run("client.verify", names)
    assert Path("copy.bin").read_bytes() == Path("data.bin").read_bytes()


def test_progress_and_stopping(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        cancel = run("cancel = Cancel()", names)["cancel"]
    finally:
        signal.signal(signal.SIGINT, before)
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == "data.bin: 11534336 of 11534336"
    assert not cancel.cancelled


def test_many_files(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    report = run("upload_many", names)["report"]
    assert sorted(one.key for one in report.uploaded) == ["run-7/a.csv", "run-7/b.csv"]
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "2 arrived"
    assert shown[1].startswith("results/c.csv ")


def test_streams_and_pieces(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run("io.BytesIO", names)
    assert capsys.readouterr().out.splitlines() == ["b'1,2'", "table.csv 8 completed"]


def test_asyncio(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run("asyncio.run(main())", names)
    assert capsys.readouterr().out == "True\n"
    assert asyncio.iscoroutinefunction(names["main"])


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == 6


# command lines --------------------------------------------------------------------------------------------------------


def command_lines(block: Block) -> Iterator[list[str]]:
    """The arguments of each call of the program in a block."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if "oarepo-s3" in words:
            words = words[words.index("oarepo-s3") + 1 :]
            yield words[: words.index(">")] if ">" in words else words


@pytest.mark.parametrize(
    "words", [words for block in SHELL for words in command_lines(block)], ids=lambda words: " ".join(words)
)
def test_command_lines_of_the_pages_can_be_parsed(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.zip").touch()
    command = cli.commands[words[0]]
    with command.make_context(words[0], words[1:]) as context:
        assert context.params is not None


# reference ------------------------------------------------------------------------------------------------------------


def test_every_command_and_option_is_in_the_reference(html: Path) -> None:
    page = (html / "client" / "commands.html").read_text(encoding="utf-8")
    for name, command in cli.commands.items():
        part = page[page.index(f'id="oarepo-s3-{name}"') :]
        part = part[: part.index("</section>")]
        shown = set(re.findall(r'<span class="pre">(-[-\w]+)', part))
        assert {option for param in command.params if isinstance(param, click.Option) for option in param.opts} <= shown


def test_every_event_and_field_is_in_the_reference(html: Path) -> None:
    page = (html / "client" / "events.html").read_text(encoding="utf-8")
    for name, definition in reference.schema()["$defs"].items():
        part = page[page.index(f'id="event-{name}"') :]
        part = part[: part.index("</section>")]
        for field in set(definition["properties"]) - {"type"}:
            assert f'<span class="pre">{field}</span>' in part


def test_every_error_is_in_the_reference(html: Path) -> None:
    page = (html / "client" / "commands.html").read_text(encoding="utf-8")
    for error in reference.all_errors():
        assert f'<span class="pre">{error.__name__}</span>' in page


def test_exit_codes_of_the_page_are_those_of_the_errors() -> None:
    page = (DOCS / "client" / "commands.md").read_text(encoding="utf-8")
    table = page[page.index("## Exit codes") : page.index("## Errors")]
    shown = {int(code) for code in re.findall(r"^\* - (\d)$", table, re.MULTILINE)}
    assert shown == {0, 3, *(error.exit_code for error in reference.all_errors())}


def test_option_without_explanation_is_refused() -> None:
    command = click.Command("silent", params=[click.Option(["--silent"])], help="Does.")
    with pytest.raises(ExtensionError, match="--silent"):
        list(reference._options("silent", command))
    with pytest.raises(ExtensionError, match="not explained"):
        list(reference._paragraphs(""))
