# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
from collections.abc import Callable
from pathlib import Path

import pytest

from oarepo_s3_client import Cancel
from oarepo_s3_client.downloads import SUFFIX
from oarepo_s3_client.errors import IntegrityError, Interrupted, NotFound, ServerTrouble, SourceError
from tests.client.repository import PART, Repository
from tests.faults.proxy import Exchange, Operation
from tests.faults.store_faults import cut_before, refuse

from .conftest import User
from .test_uploads import after_parts

MakeFile = Callable[..., Path]
SIZE = 3 * PART + 12345


@pytest.fixture
def there(user: User, ceph_repository: Repository, make_file: MakeFile) -> tuple[str, Path]:
    """A record with a file, and the file."""
    target, path = ceph_repository.add_record(), make_file(SIZE)
    user("upload", path, target)
    user.events.clear()
    return target, path


def interrupt(user: User, target: str, destination: Path) -> None:
    cancel = Cancel()
    user.options["parallel"] = 1
    user.on_event = after_parts(2, cancel.cancel)
    with pytest.raises(Interrupted):
        user("download", target, "data.bin", destination, cancel=cancel)
    user.on_event = None
    assert not destination.exists()


def test_a_download_goes_on(user: User, there: tuple[str, Path], tmp_path: Path) -> None:
    target, path = there
    destination = tmp_path / "back"
    interrupt(user, target, destination)
    downloaded = user("resume", str(destination))
    assert (downloaded.resumed_bytes, downloaded.bytes_received) == (2 * PART, SIZE - 2 * PART)
    assert destination.read_bytes() == path.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("back")] == ["back"]


@pytest.mark.parametrize("name", ["back", "b" * 255])
def test_a_file_beside_it_stays(user: User, there: tuple[str, Path], tmp_path: Path, name: str) -> None:
    target, path = there
    beside = tmp_path / "back.part"
    beside.write_bytes(b"a file of the same record, perhaps")
    user("download", target, "data.bin", tmp_path / name)
    assert (tmp_path / name).read_bytes() == path.read_bytes()
    assert beside.read_bytes() == b"a file of the same record, perhaps"


def test_what_was_damaged_meanwhile_comes_again(user: User, there: tuple[str, Path], tmp_path: Path) -> None:
    target, path = there
    destination = tmp_path / "back"
    interrupt(user, target, destination)
    with (tmp_path / f"back{SUFFIX}").open("r+b") as file:
        file.seek(PART + 5)
        file.write(b"damage")
    assert user("download", target, "data.bin", destination).bytes_received == SIZE - PART
    assert destination.read_bytes() == path.read_bytes()


def test_a_partial_file_that_is_gone(user: User, there: tuple[str, Path], tmp_path: Path) -> None:
    target, path = there
    interrupt(user, target, tmp_path / "back")
    (tmp_path / f"back{SUFFIX}").unlink()
    assert user("download", target, "data.bin", tmp_path / "back").bytes_received == SIZE


def test_into_a_folder(user: User, there: tuple[str, Path], tmp_path: Path) -> None:
    target, path = there
    (tmp_path / "folder").mkdir()
    assert user("download", target, "data.bin", tmp_path / "folder").path == tmp_path / "folder" / "data.bin"


def test_a_destination_that_cannot_be_written(user: User, there: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be written"):
        user("download", there[0], "data.bin", tmp_path / "no" / "such" / "folder")


@pytest.mark.parametrize("fault", [cut_before, refuse(503, "SlowDown"), refuse(403, "AccessDenied")])
def test_a_range_that_fails_comes_again(
    user: User, ceph_repository: Repository, there: tuple[str, Path], tmp_path: Path, fault: Callable[[Exchange], None]
) -> None:
    target, path = there
    with ceph_repository.proxy.inject(fault, Operation.OTHER, skip=1) as injected:
        user("download", target, "data.bin", tmp_path / "back")
        assert injected.count == 1
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
    with ceph_repository.proxy.inject(fault, Operation.OTHER):
        assert user("read", target, "data.bin", 5, 5) == path.read_bytes()[5:10]


def flip_a_byte(exchange: Exchange) -> None:
    response = exchange.forward()
    response.set_body(response.body[:-1] + bytes([response.body[-1] ^ 1]))
    exchange.answer(response)


def test_a_wrong_byte_is_noticed(
    user: User, ceph_repository: Repository, there: tuple[str, Path], tmp_path: Path
) -> None:
    target, _ = there
    with (
        ceph_repository.proxy.inject(flip_a_byte, Operation.OTHER),
        pytest.raises(IntegrityError) as caught,
    ):
        user("download", target, "data.bin", tmp_path / "back")
    assert caught.value.exit_code == 6
    assert not (tmp_path / "back").exists()
    assert not (tmp_path / f"back{SUFFIX}").exists()


def test_reading_has_an_end(user: User, ceph_repository: Repository, there: tuple[str, Path]) -> None:
    user.options["attempts"] = 2
    with (
        ceph_repository.proxy.inject(refuse(500, "InternalError"), Operation.OTHER, times=9),
        pytest.raises(ServerTrouble, match="cannot be read"),
    ):
        user("read", there[0], "data.bin")


def test_a_file_that_is_not_there(user: User, there: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        user("download", there[0], "missing", tmp_path / "back")


def test_without_a_journal(user: User, there: tuple[str, Path], tmp_path: Path) -> None:
    target, path = there
    user.options["journal"] = False
    user("download", target, "data.bin", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
