# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The program in real processes against a real repository: nothing of it is replaced."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.cli.program import PROGRAM, SECONDS, SLOW, Program, fetched, md5
from tests.client.repository import PART, READER_TOKEN, TOKEN, Repository

MakeFile = Callable[..., Path]


@pytest.fixture(scope="module")
def repository(rclone_repository: Repository) -> Repository:
    """The one that is up soonest."""
    return rclone_repository


@pytest.fixture
def target(repository: Repository) -> str:
    """A record without files."""
    return repository.add_record()


# without a terminal ---------------------------------------------------------------------------------------------------


def test_plain_lines_without_a_terminal(program: Program, target: str, make_file: MakeFile) -> None:
    path = make_file(4 * PART + 7)
    done = program.run("upload", path, target)
    assert re.fullmatch(
        r"data\.bin: 20\.0 MiB in 5 parts of 5\.0 MiB\n"
        r"data\.bin: finishing\n"
        r"data\.bin: 20\.0 MiB in [\d.]+ s \([\d.]+ MiB/s\), multipart:[0-9a-f]{32}-5-5242880\n",
        done.out,
    )
    assert done.err == ""
    assert fetched(program, target, "data.bin") == md5(path)


def test_json_lines_are_those_of_the_schema(program: Program, target: str, make_file: MakeFile) -> None:
    path = make_file(4 * PART + 7)
    done = program.run("upload", "--json", path, target)
    kinds = [line["type"] for line in done.lines]
    assert (kinds[0], kinds[-3:]) == ("started", ["finishing", "finished", "summary"])
    assert sorted(line["part"] for line in done.of_type("part")) == [1, 2, 3, 4, 5]
    assert all(line["bytes"] <= line["size"] for line in done.of_type("progress"))
    (listed,) = program.run("ls", "--json", target).of_type("file")
    assert (listed["key"], listed["size"], listed["status"]) == ("data.bin", 4 * PART + 7, "completed")
    assert program.run("verify", "--json", path, target).of_type("verification")[0]["matches"] is True


def test_doctor_finds_nothing_wrong(program: Program, target: str) -> None:
    checks = program.run("doctor", "--json", target).of_type("check")
    assert {line.get("ok") for line in checks} <= {True, None}
    assert ("token", True) in [(line["name"], line.get("ok")) for line in checks]


def test_run_again_sends_nothing(program: Program, target: str, make_file: MakeFile) -> None:
    path = make_file(2 * PART)
    program.run("upload", path, target)
    done = program.run("upload", "--json", path, target)
    (finished,) = done.of_type("finished")
    assert finished["bytes_sent"] == 0
    assert "already there" in program.run("upload", path, target).out


def test_standard_input_and_output(program: Program, target: str, make_file: MakeFile) -> None:
    content = make_file(PART + 5).read_bytes()
    program.run("upload", "-", target, "--key", "sub/stream.bin", "--size", f"{len(content)}B", stdin=content)
    assert program.run("cat", target, "sub/stream.bin").content == content
    assert program.run("cat", target, "sub/stream.bin", "--start", PART, "--length", "3B").content == content[PART:-2]


def test_changed_copy_is_found(program: Program, target: str, make_file: MakeFile) -> None:
    path = make_file(PART)
    program.run("upload", path, target)
    with path.open("r+b") as file:
        file.write(b"changed")
    assert "different" in program.run("verify", path, target, code=6).out


def test_rm(program: Program, target: str, make_file: MakeFile) -> None:
    program.run("upload", make_file(10), target)
    assert program.run("rm", target, "data.bin").out == "deleted data.bin\n"
    assert program.run("ls", target).out == "The record has no files.\n"


@pytest.mark.parametrize(("token", "code"), [("wrong", 4), (READER_TOKEN, 4), ("", 4)])
def test_wrong_token_is_not_authorised(
    program: Program, target: str, make_file: MakeFile, token: str, code: int
) -> None:
    done = program.with_environment(OAREPO_S3_TOKEN=token).run("upload", make_file(10), target, code=code)
    assert "oarepo-s3 login" in done.err
    assert "Traceback" not in done.err


def test_unknown_record(program: Program, target: str, make_file: MakeFile) -> None:
    done = program.run("upload", make_file(10), f"{target}999", code=1)
    assert len(done.err.splitlines()) == 1


def test_names_that_the_terminal_cannot_show(program: Program, target: str, make_file: MakeFile) -> None:
    user = program.with_environment(LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    user.run("upload", make_file(10), target, "--key", "příloha.txt")
    assert "p\\u0159\\xedloha.txt" in user.run("ls", target).out


# on a terminal --------------------------------------------------------------------------------------------------------


def test_bars_on_a_terminal(program: Program, target: str, make_file: MakeFile) -> None:
    path = make_file(4 * PART)
    with program.on_terminal("upload", path, target, *SLOW) as terminal:
        terminal.wait_for("MiB/s")
        assert terminal.done() == 0
    text = terminal.shown.decode()
    assert "\x1b[?25l" in text  # the cursor is hidden, and shown again
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    percents = [int(found) for found in re.findall(r"(\d+) %", text)]
    assert percents == sorted(percents)
    assert len(percents) > 0
    assert max(percents) <= 100
    assert "✓ data.bin: 20.0 MiB in" in re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text)


def test_ctrl_c_on_a_terminal(program: Program, target: str, make_file: MakeFile) -> None:
    path = make_file(6 * PART)
    with program.on_terminal("upload", path, target, *SLOW) as terminal:
        terminal.wait_for("MiB/s")
        os.killpg(terminal.process.pid, signal.SIGINT)
        assert terminal.done() == 5
    text = terminal.shown.decode()
    assert "oarepo-s3 resume" in " ".join(text.split())
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_closed_window_does_not_stop_a_process_that_was_detached(
    program: Program, target: str, make_file: MakeFile
) -> None:
    path = make_file(4 * PART)
    with program.on_terminal("upload", path, target, *SLOW) as terminal:
        terminal.wait_for("MiB/s")
        terminal.hang_up()
        assert terminal.process.wait(SECONDS) == 0
    assert fetched(program, target, "data.bin") == md5(path)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_outputs_do_no_harm(program: Program, target: str, make_file: MakeFile, closed: str) -> None:
    path = make_file(PART)
    line = f'exec "$0" upload "$1" "$2" {closed}'
    done = subprocess.run(
        ["sh", "-c", line, PROGRAM, str(path), target], env=program.variables(), capture_output=True, timeout=SECONDS
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert fetched(program, target, "data.bin") == md5(path)


def test_login_does_not_show_the_token(program: Program, target: str) -> None:
    user = program.with_environment(OAREPO_S3_TOKEN="")
    with user.on_terminal("login", target) as terminal:
        terminal.wait_for("Token for http://127.0.0.1:")
        terminal.write(f"{TOKEN}\n")
        assert terminal.done() == 0
    assert TOKEN not in terminal.shown.decode()
    assert user.run("ls", target).out == "The record has no files.\n"
    assert (program.home / "config" / "oarepo-s3" / "config.toml").stat().st_mode & 0o777 == 0o600


# secrets --------------------------------------------------------------------------------------------------------------


def test_token_is_not_in_the_list_of_processes(program: Program, target: str, make_file: MakeFile) -> None:
    user = program.with_environment(OAREPO_S3_TOKEN="")
    path = make_file(4 * PART)
    with user.start("upload", "--json", path, target, "--token", TOKEN, *SLOW) as running:
        running.wait_for(lambda event: event["type"] == "started")
        assert TOKEN.encode() not in Path(f"/proc/{running.process.pid}/cmdline").read_bytes()
        done = running.done()
    assert done.code == 0
    assert "oarepo-s3 login" in done.err
    assert TOKEN not in done.err


def test_journal_holds_no_secret(program: Program, target: str, make_file: MakeFile) -> None:
    with program.start("upload", "--json", make_file(6 * PART), target, *SLOW) as running:
        running.wait_for(lambda event: event["type"] == "part")
        running.signal(signal.SIGINT)
        assert running.done().code == 5
    files = [path for path in (program.home / "state").rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert path.stat().st_mode & 0o077 == 0
        assert TOKEN not in path.read_text()
        assert "X-Amz-" not in path.read_text()


# the program itself ---------------------------------------------------------------------------------------------------


def test_help_waits_for_no_big_library() -> None:
    code = (
        "import sys; before = set(sys.modules); "  # what measures the coverage has its own
        "from oarepo_s3_client.cli.main import run; run(['upload', '--help']); "
        "print([name for name in ('httpx', 'tqdm', 'ssl', 'asyncio', 'hashlib') if name in set(sys.modules) - before])"
    )
    # Measuring coverage in the process would import some of them.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_takes_the_completion(program: Program, shell: str) -> None:
    script = program.run("completion", shell).out
    found = shutil.which(shell)
    if found is None:
        assert f"_OAREPO_S3_COMPLETE={shell}_complete" in script  # there is no such shell here to ask
        return
    done = subprocess.run([found, "-n"], input=script, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_completion_names_commands_and_options(program: Program) -> None:
    user = program.with_environment(_OAREPO_S3_COMPLETE="bash_complete", COMP_WORDS="oarepo-s3 up", COMP_CWORD="1")
    assert user.run().out == "plain,upload\n"
    user = user.with_environment(COMP_WORDS="oarepo-s3 upload --lim", COMP_CWORD="2")
    assert user.run().out == "plain,--limit-rate\n"
