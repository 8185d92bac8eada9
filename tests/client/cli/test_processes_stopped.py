# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Real processes that are stopped in the middle of a transfer, against a real repository."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from oarepo_s3_client.downloads import SUFFIX
from tests.client.cli.program import SLOW, Program, fetched, md5
from tests.client.repository import PART, Repository

MakeFile = Callable[..., Path]


@pytest.fixture(scope="module")
def repository(rclone_repository: Repository) -> Repository:
    """The one that is up soonest."""
    return rclone_repository


@pytest.fixture
def target(repository: Repository) -> str:
    """A record without files."""
    return repository.add_record()


def test_ctrl_c_then_resume(program: Program, target: str, make_file: MakeFile) -> None:
    path = make_file(6 * PART + 1)
    with program.start("upload", "--json", path, target, *SLOW) as running:
        transfer = running.wait_for(lambda event: event["type"] == "part")["transfer"]
        running.signal(signal.SIGINT)
        done = running.done()
    assert done.code == 5
    assert f"`oarepo-s3 resume {transfer}`" in done.err
    (listed,) = program.run("list", "--json").of_type("transfer")
    assert (listed["transfer"], listed.get("running_pid")) == (transfer, None)
    (status,) = program.run("status", "--json", target, "data.bin").of_type("status")
    assert 1 <= status["arrived"] < 7
    done = program.run("resume", "--json", transfer)
    (started,) = done.of_type("started")
    assert started["resumed_bytes"] >= PART
    (finished,) = done.of_type("finished")
    assert finished["bytes_sent"] == 6 * PART + 1 - started["resumed_bytes"]
    assert fetched(program, target, "data.bin") == md5(path)
    assert program.run("list").out == "No transfer is unfinished.\n"


def test_pause_stops_another_process(program: Program, target: str, make_file: MakeFile) -> None:
    path = make_file(6 * PART)
    with program.start("upload", "--json", path, target, *SLOW) as running:
        transfer = running.wait_for(lambda event: event["type"] == "part")["transfer"]
        (listed,) = program.run("list", "--json").of_type("transfer")
        assert listed["running_pid"] == running.process.pid
        program.run("abort", transfer, code=2)
        assert transfer in program.run("pause", path).out
        assert running.done().code == 5
    program.run("pause", code=1)
    assert "0 failed" not in program.run("resume").out
    assert fetched(program, target, "data.bin") == md5(path)


def test_abort_throws_away_what_has_arrived(
    program: Program, repository: Repository, target: str, make_file: MakeFile
) -> None:
    path = make_file(6 * PART, "given-up.bin")
    with program.start("upload", "--json", path, target, *SLOW) as running:
        running.wait_for(lambda event: event["type"] == "part")
        running.signal(signal.SIGTERM)
        assert running.done().code == 5
    assert program.run("abort", path).out == "aborted given-up.bin\n"
    assert repository.states("given-up.bin") == ["aborted"]
    assert program.run("list").out == "No transfer is unfinished.\n"


def test_file_that_has_changed_is_refused(program: Program, target: str, make_file: MakeFile) -> None:
    path = make_file(6 * PART)
    with program.start("upload", "--json", path, target, *SLOW) as running:
        transfer = running.wait_for(lambda event: event["type"] == "part")["transfer"]
        running.signal(signal.SIGINT)
        assert running.done().code == 5
    with path.open("r+b") as file:
        file.write(b"changed")
    done = program.run("resume", "--json", transfer, code=1)
    (failed,) = done.of_type("failed")
    assert failed["code"] == "file_changed"
    assert "oarepo-s3 abort" in failed["hint"]


def test_download_goes_on(program: Program, target: str, make_file: MakeFile) -> None:
    path = make_file(8 * PART)
    program.run("upload", path, target)
    copy = program.home / "copy.bin"
    with program.start("download", "--json", target, "data.bin", "-o", copy, *SLOW) as running:
        running.wait_for(lambda event: event["type"] == "part")
        running.signal(signal.SIGINT)
        assert running.done().code == 5
    assert not copy.exists()
    (started,) = program.run("download", "--json", target, "data.bin", "-o", copy).of_type("started")
    assert started["resumed_bytes"] >= PART
    assert md5(copy) == md5(path)
    assert not copy.with_name(f"copy.bin{SUFFIX}").exists()
