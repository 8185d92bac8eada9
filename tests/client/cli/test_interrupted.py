# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Stopped by a signal, and gone on with by ``resume``, as far as the command line decides."""

import dataclasses
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oarepo_s3_client.api import TransferInfo
from oarepo_s3_client.cli import interrupts
from oarepo_s3_client.errors import SourceError
from tests.client.cli.conftest import Ended
from tests.client.cli.fake import World

Run = Callable[..., Ended]


@pytest.fixture
def heard(number: signal.Signals) -> Iterator[None]:
    """Whatever has started the tests, such as nohup, may have it ignored."""
    before = signal.signal(number, signal.default_int_handler)
    yield
    signal.signal(number, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_signals_keep_what_arrived_and_say_how_to_go_on(
    oarepo: Run, world: World, folder: Path, target: str, number: signal.Signals
) -> None:
    path = str(folder / "a.txt")
    world.journal = [TransferInfo("id-a.txt", "upload", path, target, "a.txt", 5, 2, 0.0, None)]
    was = signal.signal(number, signal.default_int_handler)  # nohup, for one, lets the tests ignore some
    world.before = lambda key: os.kill(os.getpid(), number)
    try:
        ended = oarepo("upload", path, target)
    finally:
        after = signal.signal(number, was)
    assert ended.code == 5
    assert ended.err.splitlines()[-1] == (
        "oarepo-s3: Interrupted. Run the same command again to go on, or `oarepo-s3 resume id-a.txt`."
    )
    assert "Stopping." in ended.err
    assert after is signal.default_int_handler


def test_interrupted_folder_is_gone_on_with_by_the_same_command(
    oarepo: Run, world: World, folder: Path, target: str
) -> None:
    world.before = lambda key: os.kill(os.getpid(), signal.SIGINT) if key == "b.txt" else None
    ended = oarepo("upload", "--json", "-r", folder, target)
    assert (ended.code, set(world.content)) == (5, {"a.txt"})
    (failed,) = ended.of_type("failed")
    assert (failed["code"], failed["hint"]) == ("interrupted", "Run the same command again to go on.")


def test_second_signal_stops_at_once(
    oarepo: Run, world: World, folder: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(os, "isatty", lambda number: number == 1)  # bars are there, and 2 leads to a file

    def press_twice(key: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    world.before = press_twice
    ended = oarepo("upload", folder / "a.txt", target)
    assert codes == [5]
    assert "oarepo-s3: Stopped at once." in ended.err
    assert "\x1b[?25h" in ended.out  # the cursor is shown again


def test_ignored_signals_stay_ignored(oarepo: Run, world: World, folder: Path, target: str) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        world.before = lambda key: os.kill(os.getpid(), signal.SIGHUP)
        assert oarepo("upload", folder / "a.txt", target).code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ctrl_c_outside_of_a_transfer(
    oarepo: Run, world: World, folder: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("oarepo_s3_client.cli.folders.collect", interrupt)
    assert oarepo("upload", folder / "a.txt", target).code == 5


def test_reader_that_has_seen_enough(
    oarepo: Run, world: World, folder: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close(key: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", sys.stdout)  # restores it
    world.before = close
    assert oarepo("upload", folder / "a.txt", target).code == 1


# resume ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def journal(world: World, folder: Path, target: str) -> list[TransferInfo]:
    """Two stopped transfers and a running one."""
    world.journal = [
        TransferInfo("aa11", "upload", str(folder / "a.txt"), target, "a.txt", 5, 2, 0.0, None),
        TransferInfo("aa22", "upload", str(folder / "b.txt"), target, "b.txt", 5, 0, 0.0, None),
        TransferInfo("bb33", "upload", str(folder / "c.txt"), target, "c.txt", 5, 0, 0.0, 4242),
    ]
    return world.journal


def test_resume_goes_on_with_all_that_do_not_run(oarepo: Run, world: World, journal: list[TransferInfo]) -> None:
    assert oarepo("resume").code == 0
    assert world.asked("resume") == [("aa11",), ("aa22",)]


@pytest.mark.parametrize("name", ["aa11", "{folder}/a.txt", "aa1"])
def test_resume_by_name(oarepo: Run, world: World, journal: list[TransferInfo], folder: Path, name: str) -> None:
    ended = oarepo("resume", name.format(folder=folder))
    assert (ended.code, world.asked("resume")) == (0, [("aa11",)])
    assert ended.out.splitlines()[0] == "a.txt: 5 B, 2 B are there already"


@pytest.mark.parametrize(("name", "code"), [("zz", 1), ("aa", 2)])
def test_resume_needs_one_meaning(oarepo: Run, world: World, journal: list[TransferInfo], name: str, code: int) -> None:
    ended = oarepo("resume", name)
    assert (ended.code, world.asked("resume")) == (code, [])
    assert "oarepo-s3 list" in ended.err


def test_resume_of_nothing_says_so(oarepo: Run, world: World) -> None:
    ended = oarepo("resume")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "No transfer waits to go on.")


def test_one_that_fails_does_not_stop_the_others(oarepo: Run, world: World, journal: list[TransferInfo]) -> None:
    world.failures["a.txt"] = SourceError("a.txt has changed.")
    ended = oarepo("resume")
    assert (ended.code, len(world.asked("resume"))) == (3, 2)
    assert ended.err.count("a.txt has changed.") == 1


def test_resume_is_interrupted_as_a_whole(oarepo: Run, world: World, journal: list[TransferInfo]) -> None:
    world.before = lambda key: os.kill(os.getpid(), signal.SIGINT)
    ended = oarepo("resume")
    assert (ended.code, len(world.asked("resume"))) == (5, 1)


def test_resume_uses_the_token_of_each_server(
    oarepo: Run, world: World, journal: list[TransferInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAREPO_S3_TOKEN", "secret")
    assert oarepo("resume", "aa11").code == 0
    assert [options.token for options in world.options] == [None, "secret"]


def test_token_for_one_server_does_not_go_to_another(
    oarepo: Run, world: World, journal: list[TransferInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal[1] = dataclasses.replace(journal[1], target="https://other.example.org/api/records/1/draft")
    assert oarepo("resume").code == 0
    monkeypatch.setenv("OAREPO_S3_TOKEN", "secret")
    ended = oarepo("resume")
    assert (ended.code, "oarepo-s3 login" in ended.err) == (2, True)
    assert len(world.asked("resume")) == 2
    assert "secret" not in {options.token for options in world.options}
    assert oarepo("resume", "aa22").code == 0
    assert world.options[-1].token == "secret"


def test_token_on_standard_input_is_read_once(
    oarepo: Run, world: World, journal: list[TransferInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    assert oarepo("resume", "--token-file", "-").code == 0
    assert [options.token for options in world.options] == [None, "secret", "secret"]
