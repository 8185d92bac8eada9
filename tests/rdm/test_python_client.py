# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The client distribution against the repository: the same contract from the other side."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oarepo_s3_client import Cancel, Client, Options
from oarepo_s3_client.errors import FileChanged, Interrupted, NotAuthorised
from oarepo_s3_client.events import Event
from tests.faults.proxy import Exchange, FaultProxy

from . import services
from .application import USER_HEADER
from .world import PART, Repository

SIZE = 6 * PART + 500
TOKENS = {"Bearer owner": services.OWNER, "Bearer previewer": services.PREVIEWER}


def name_the_user(exchange: Exchange) -> None:
    """The repository of the tests knows users by a header, the client has tokens."""
    headers = exchange._handler.headers
    user = TOKENS.get(headers.get("Authorization", ""))
    if user is not None:
        headers[USER_HEADER] = user
    exchange.answer(exchange.forward())


@contextmanager
def address_of(repository: Repository, pid: str) -> Iterator[str]:
    """Where clients with tokens find a draft."""
    web_port = int(repository.stack.url.rpartition(":")[2])
    with FaultProxy(web_port) as proxy, proxy.inject(name_the_user, times=10_000):
        yield f"{proxy.endpoint}/records/{pid}/draft"


def make_file(folder: Path, size: int) -> Path:
    """A file whose name has to be quoted."""
    made = folder / "data & more.bin"
    made.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    return made


@pytest.fixture
def target(repository: Repository, pid: str) -> Iterator[str]:
    """Address of a draft."""
    with address_of(repository, pid) as address:
        yield address


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_file(tmp_path, SIZE)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(token="owner", part_size=PART, parallel=2, state_dir=tmp_path / "state")


def interrupt(options: Options, path: Path, target: str) -> None:
    cancel, arrived = Cancel(), []

    def note(event: Event) -> None:
        if event.type == "part":
            arrived.append(event)
            if len(arrived) == 2:
                cancel.cancel()

    with pytest.raises(Interrupted), Client(options, on_event=note) as client:
        client.upload(path, target, cancel=cancel)


def test_there_and_back(options: Options, target: str, path: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    with Client(options, on_event=events.append) as client:
        uploaded = client.upload(path, target)
        assert (uploaded.size, uploaded.bytes_sent) == (SIZE, SIZE)
        assert uploaded.checksum is not None
        assert uploaded.checksum.startswith("multipart:")
        assert [event.face for event in events if event.type == "started"] == ["invenio_rdm"]  # type: ignore[attr-defined]
        assert not [event for event in events if event.type == "notice"]
        assert [(info.key, info.size, info.status) for info in client.list(target)] == [(path.name, SIZE, "completed")]
        client.download(target, path.name, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == path.read_bytes()
        assert client.verify(target, path.name, path).matches
        assert client.upload(path, target).bytes_sent == 0
        client.delete(target, path.name)
        assert client.list(target) == []


def test_it_goes_on_from_another_machine(options: Options, target: str, path: Path, tmp_path: Path) -> None:
    interrupt(options, path, target)
    with Client(Options(token="owner", part_size=PART, state_dir=tmp_path / "elsewhere")) as client:
        status = client.status(target, path.name)
        assert (status.state, status.parts_count, status.known) == ("open", 7, True)
        assert len(status.arrived) >= 2
        uploaded = client.upload(path, target)
    assert uploaded.bytes_sent <= SIZE - 2 * PART


def test_a_changed_file_is_refused_until_the_upload_is_aborted(options: Options, target: str, path: Path) -> None:
    interrupt(options, path, target)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with Client(options) as client:
        with pytest.raises(FileChanged):
            client.upload(path, target)
        client.abort(target, path.name)
        assert client.upload(path, target).bytes_sent == SIZE


def test_who_may_only_look_cannot_upload(options: Options, target: str, path: Path) -> None:
    with pytest.raises(NotAuthorised), Client(Options(token="previewer", journal=False)) as client:
        client.upload(path, target)


def test_an_empty_file(options: Options, target: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with Client(options) as client:
        assert client.upload(tmp_path / "empty", target).size == 0
        assert [(info.key, info.size) for info in client.list(target)] == [("empty", 0)]
