# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Where tokens come from, and where they never go."""

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from oarepo_s3_client.cli import credentials, process_list
from oarepo_s3_client.cli.credentials import Config, given_token, kept_token, load, origin_of, save
from oarepo_s3_client.errors import UsageError

SERVER = "https://repo.example.org"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Repo.Example.org/api/records/1/draft", SERVER),
        ("https://repo.example.org:443/x", SERVER),
        ("http://127.0.0.1:5000/x", "http://127.0.0.1:5000"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
    ],
)
def test_origin(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url", ["repo.example.org/x", "ftp://repo.example.org", "https:///x", "https://u:p@repo.example.org", "http://h:x/"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        origin_of(url)
    assert ":p@" not in caught.value.message


def test_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"
    config = Config(SERVER, {SERVER: 'to"k\\en\x7f', "http://127.0.0.1:5000": "other"})
    save(path, config)
    assert load(path) == config
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["config.toml"]


def test_no_file_is_an_empty_configuration(tmp_path: Path) -> None:
    assert load(tmp_path / "none") == Config()


def test_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    save(path, Config(SERVER, {SERVER: "secret"}))
    path.chmod(0o640)
    with pytest.raises(UsageError) as caught:
        load(path)
    assert caught.value.hint == f"Protect it: chmod 600 {path}"


@pytest.mark.parametrize("text", ["servers = 3", "[servers.x]\n", "=", '[servers."x"]\ntoken', "servers = [1]"])
def test_damaged_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(UsageError, match="cannot be used"):
        load(path)


def test_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        save(tmp_path / "file" / "config.toml", Config())


def test_place_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert credentials.config_path() == tmp_path / "oarepo-s3" / "config.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert credentials.config_path() == Path.home() / ".config" / "oarepo-s3" / "config.toml"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path))
    assert credentials.config_path() == tmp_path / "oarepo-s3" / "config.toml"


def test_option_goes_before_file_before_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\nsecond line\n")
    environment = {"OAREPO_S3_TOKEN": "from-environment"}
    assert given_token("given", str(file), environment) == "given"
    assert given_token(None, str(file), environment) == "from-file"
    assert given_token(None, None, environment) == "from-environment"
    assert given_token(None, None, {"OAREPO_S3_TOKEN": ""}) is None


def test_token_of_one_server_is_not_for_another() -> None:
    config = Config(SERVER, {SERVER: "secret"})
    assert kept_token(f"{SERVER}/api/records/1/draft", config) == "secret"
    for url in ("http://repo.example.org/x", "https://repo.example.org:8443/x", "https://repo.example.org.evil.net/x"):
        assert kept_token(url, config) is None


@pytest.mark.parametrize("token", ["", "  ", "two words", "tab\there", "ž"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(UsageError) as caught:
        given_token(token, None, {})
    assert not token.strip() or token not in caught.value.message


def test_token_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    assert credentials.token_from_file("-") == "secret"


def test_file_of_a_token_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        credentials.token_from_file(str(tmp_path / "none"))


def test_what_is_encrypted() -> None:
    assert credentials.is_encrypted("https://repo.example.org")
    assert credentials.is_encrypted("http://localhost:5000")
    assert not credentials.is_encrypted("http://repo.example.org")


# list of processes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kept", "token"),
    [
        (["upload", "--token", "s", "a", "b"], ["upload", "a", "b"], "s"),
        (["upload", "--token=s", "a", "--token", "t"], ["upload", "a"], "t"),
        (["upload", "a", "--token"], ["upload", "a", "--token"], None),
        (["upload", "--", "--token", "s"], ["upload", "--", "--token", "s"], None),
        (["upload", "--token-file", "f"], ["upload", "--token-file", "f"], None),
    ],
)
def test_token_is_taken_out(arguments: list[str], kept: list[str], token: str | None) -> None:
    assert process_list.split_token(arguments) == (kept, token)


def test_program_becomes_one_without_the_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    become: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda *arguments: become.append(arguments))
    monkeypatch.setattr(sys, "argv", ["oarepo-s3", "ls", "--token", "secret", "x"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-I", "bin/oarepo-s3", "ls", "--token", "secret", "x"])
    process_list.hide_token()
    ((program, arguments, environment),) = become
    assert (program, arguments) == (sys.executable, [sys.executable, "-I", "bin/oarepo-s3", "ls", "x"])
    assert environment["OAREPO_S3_TOKEN"] == "secret"
    printed = capsys.readouterr().err
    assert "oarepo-s3 login" in printed
    assert "secret" not in printed


@pytest.mark.parametrize(("arguments", "system"), [(["ls", "x"], "posix"), (["ls", "--token", "s"], "nt")])
def test_program_stays_what_it_is(monkeypatch: pytest.MonkeyPatch, arguments: list[str], system: str) -> None:
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("started again"))
    monkeypatch.setattr(sys, "argv", ["oarepo-s3", *arguments])
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", system)
        process_list.hide_token()
