# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""``login``, ``doctor``, ``completion``, and which server and token a command uses."""

import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from oarepo_s3_client.api import Check, TransferInfo
from oarepo_s3_client.cli import credentials, journal_choice
from tests.client.cli.conftest import Ended
from tests.client.cli.fake import World

Run = Callable[..., Ended]
SERVER = "https://repo.example.org"


@pytest.fixture
def token_file(home: Path) -> Path:
    """A file with a token."""
    path = home / "token"
    path.write_text("secret\n")
    return path


def test_login_keeps_the_token_for_its_server(oarepo: Run, world: World, home: Path, token_file: Path) -> None:
    path = home / "config" / "oarepo-s3" / "config.toml"
    ended = oarepo("login", f"{SERVER}/api/records/1/draft", "--token-file", token_file)
    assert (ended.code, ended.out) == (0, f"The token for {SERVER} is in {path}.\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert oarepo("ls", f"{SERVER}/api/records/2/draft").code == 0
    assert oarepo("ls", "https://other.example.org/api/records/2/draft").code == 0
    assert [options.token for options in world.options] == ["secret", None]


def test_first_server_is_that_of_short_addresses(oarepo: Run, world: World, token_file: Path) -> None:
    oarepo("login", SERVER, "--token-file", token_file)
    oarepo("login", "https://other.example.org", "--token-file", token_file)
    assert oarepo("rm", "/api/records/1/draft/", "a").code == 0
    assert world.asked("delete") == [(f"{SERVER}/api/records/1/draft", "a")]


def test_environment_goes_before_the_file(
    oarepo: Run, world: World, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oarepo("login", SERVER, "--token-file", token_file)
    monkeypatch.setenv("OAREPO_S3_SERVER", "https://other.example.org/")
    monkeypatch.setenv("OAREPO_S3_TOKEN", "other-secret")
    assert oarepo("rm", "/api/records/1", "a").code == 0
    assert world.asked("delete") == [("https://other.example.org/api/records/1", "a")]
    assert world.options[-1].token == "other-secret"


def test_login_asks_on_a_terminal(oarepo: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def prompt(text: str, **options: Any) -> str:
        asked.append({"text": text, **options})
        return "secret"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "prompt", prompt)
    assert oarepo("login", SERVER).code == 0
    assert asked == [{"text": f"Token for {SERVER}", "hide_input": True, "err": True}]
    assert credentials.load(credentials.config_path()).tokens == {SERVER: "secret"}


def test_aborted_question(oarepo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def prompt(text: str, **options: Any) -> str:
        raise click.Abort

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "prompt", prompt)
    ended = oarepo("login", SERVER)
    assert (ended.code, ended.err) == (5, "Aborted.\n")


def test_login_without_a_terminal_says_how(oarepo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    ended = oarepo("login", SERVER)
    assert (ended.code, "--token-file -" in ended.err) == (2, True)


def test_another_file(oarepo: Run, world: World, home: Path, token_file: Path) -> None:
    path = home / "mine.toml"
    oarepo("login", SERVER, "--token-file", token_file, "--server-config", path)
    assert oarepo("ls", f"{SERVER}/1", "--server-config", path).code == 0
    assert world.options[-1].token == "secret"
    path.chmod(0o644)
    ended = oarepo("ls", f"{SERVER}/1", "--server-config", path)
    assert (ended.code, "chmod 600" in ended.err) == (2, True)


def test_unencrypted_token_is_told(oarepo: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAREPO_S3_TOKEN", "secret")
    ended = oarepo("ls", "--json", "http://repo.example.org/1")
    assert "token_unencrypted" in [line.get("code") for line in ended.lines]
    ended = oarepo("ls", "--json", "http://127.0.0.1:5000/1")
    assert "token_unencrypted" not in [line.get("code") for line in ended.lines]


def test_doctor(oarepo: Run, world: World, target: str, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.checks = [Check("TLS", True, "version 1.3"), Check("part URL", None, "no upload is open")]
    ended = oarepo("doctor", target)
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "– token given: there is none; `oarepo-s3 login` keeps one",
        "✓ TLS: version 1.3",
        "– part URL: no upload is open",
    ]
    world.checks.append(Check("clock", False, "90 s behind the server's"))
    ended = oarepo("doctor", "--json", target)
    assert ended.code == 1
    assert [line.get("ok") for line in ended.of_type("check")] == [None, True, None, False]
    assert "from --token\n" in oarepo("doctor", "--token", "x", target).out
    assert f"from {token_file}\n" in oarepo("doctor", "--token-file", token_file, target).out
    oarepo("login", target, "--token-file", token_file)
    assert f"from {credentials.config_path()}\n" in oarepo("doctor", target).out
    monkeypatch.setenv("OAREPO_S3_TOKEN", "x")
    assert "from OAREPO_S3_TOKEN\n" in oarepo("doctor", target).out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(oarepo: Run, shell: str) -> None:
    ended = oarepo("completion", shell)
    assert ended.code == 0
    assert f"_OAREPO_S3_COMPLETE={shell}_complete" in ended.out


def test_transfers_are_completed_from_the_journal(world: World, target: str) -> None:
    world.journal = [TransferInfo(name, "upload", "/d/a", target, "a", 5, 2, 0.0, None) for name in ("aa1", "ab2")]
    context = click.Context(click.Command("resume"))
    found = journal_choice.complete(context, click.Argument(["transfers"]), "aa")
    assert [(one.value, one.help) for one in found] == [("aa1", "/d/a")]


def test_version(oarepo: Run) -> None:
    assert oarepo("--version").out == "oarepo-s3 2.0.0\n"


def test_every_command_has_help(oarepo: Run) -> None:
    from oarepo_s3_client.cli.main import cli

    for name, one in cli.commands.items():
        ended = oarepo(name, "--help")
        assert ended.code == 0
        undescribed = [param.name for param in one.params if isinstance(param, click.Option) and not param.help]
        assert undescribed == []


def test_main_ends_with_the_exit_code(
    world: World, target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from oarepo_s3_client.cli.main import main

    monkeypatch.setattr(sys, "argv", ["oarepo-s3", "ls", "nowhere"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
