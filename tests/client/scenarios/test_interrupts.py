# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What ends a transfer from outside: Ctrl-C, a cancelled task, an error of the caller's own code."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oarepo_s3_client import AsyncClient, Cancel, Client, Options, UploadItem
from oarepo_s3_client.errors import Interrupted, TransferBusy
from oarepo_s3_client.events import Event, Progress
from oarepo_s3_client.journal import Journal

from .conftest import User
from .fake_rdm import FakeRDM, fake_rdm
from .test_uploads import after_parts

MakeFile = Callable[..., Path]
PART = 100_000
SIZE = 5 * PART


class Ours(Exception):
    """Raised by the caller's own code."""


@pytest.fixture
def rdm() -> Iterator[FakeRDM]:
    with fake_rdm(ours=True) as fake:
        yield fake


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(token="token-of-owner", part_size=PART, parallel=2, state_dir=tmp_path / "state")


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def check_it_goes_on(options: Options, rdm: FakeRDM, path: Path) -> None:
    """What has arrived is not sent again, and no thread of ours is left."""
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("oarepo-s3") and thread.is_alive()]
    with Client(options) as client:
        uploaded = client.upload(path, rdm.target)
    assert uploaded.resumed_bytes >= 2 * PART
    assert uploaded.bytes_sent <= SIZE - 2 * PART
    assert rdm.files[path.name].content == path.read_bytes()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Ours()])
def test_an_exception_out_of_the_blue(
    options: Options, rdm: FakeRDM, make_file: MakeFile, error: BaseException
) -> None:
    path = make_file(SIZE)
    with (
        pytest.raises(type(error)),
        Client(options, on_event=after_parts(2, raising(error))) as client,
    ):
        client.upload(path, rdm.target)
    check_it_goes_on(options, rdm, path)


def test_an_exception_in_a_lane(options: Options, rdm: FakeRDM, make_file: MakeFile) -> None:
    def note(event: Event) -> None:
        if isinstance(event, Progress):
            raise Ours

    with pytest.raises(Ours), Client(options, on_event=note) as client:
        client.upload(make_file(SIZE), rdm.target)


def test_a_cancelled_task(options: Options, rdm: FakeRDM, make_file: MakeFile) -> None:
    path = make_file(SIZE)

    async def upload() -> None:
        async with AsyncClient(options, on_event=after_parts(2, lambda: task.cancel())) as client:
            task = asyncio.create_task(client.upload(path, rdm.target))
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(upload())
    check_it_goes_on(options, rdm, path)


def test_ctrl_c_while_many_files_go(options: Options, rdm: FakeRDM, make_file: MakeFile) -> None:
    paths = [make_file(SIZE, f"file {number}") for number in range(20)]
    items = [UploadItem(path) for path in paths]
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        os.kill(os.getpid(), signal.SIGINT)

    with (
        pytest.raises(KeyboardInterrupt),
        Client(options, on_event=after_parts(7, interrupt)) as client,
    ):
        client.upload_many(items, rdm.target)
    assert interrupted
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("oarepo-s3") and thread.is_alive()]
    assert sum(file.content is not None for file in rdm.files.values()) < 20
    with Client(options) as client:
        assert len(client.upload_many(items, rdm.target).uploaded) == 20


def test_many_files_are_cancelled(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    items = [UploadItem(make_file(10, f"file {number}")) for number in range(20)]
    cancel = Cancel()
    user.on_event = after_parts(3, cancel.cancel)
    with pytest.raises(Interrupted):
        user("upload_many", items, rdm.target, on_error="skip", cancel=cancel)
    assert sum(file.content is not None for file in rdm.files.values()) < 20


def test_an_iterator_that_breaks(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    def items() -> Iterator[UploadItem]:
        yield UploadItem(make_file(10))
        raise Ours

    with pytest.raises(Ours):
        user("upload_many", items(), rdm.target, on_error="skip")
    assert rdm.files["data.bin"].content is not None


def test_an_item_that_cannot_be(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    items = [UploadItem(object()), UploadItem(make_file(10))]  # type: ignore[arg-type]
    report = user("upload_many", items, rdm.target, on_error="skip")
    assert len(report.uploaded) == len(report.failed) == 1


def test_one_process_at_a_time(options: Options, rdm: FakeRDM, make_file: MakeFile) -> None:
    path = make_file(SIZE)
    cancel = Cancel()
    with pytest.raises(Interrupted), Client(options, on_event=after_parts(2, cancel.cancel)) as client:
        client.upload(path, rdm.target, cancel=cancel)
    with Client(options) as client:
        (info,) = client.transfers()
        assert (info.kind, info.key, info.size, info.running_pid) == ("upload", "data.bin", SIZE, None)
        assert info.done_bytes >= 2 * PART
        assert options.state_dir is not None
        with Journal(options.state_dir).locked(info.transfer), pytest.raises(TransferBusy):
            client.upload(path, rdm.target)
        client.forget(info.transfer)
        assert client.transfers() == []
