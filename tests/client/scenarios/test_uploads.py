# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
import os
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from oarepo_s3_client import Cancel, UploadItem
from oarepo_s3_client.errors import (
    ClientError,
    FileChanged,
    IntegrityError,
    Interrupted,
    NotAuthorised,
    NotFound,
    Refused,
    ServerTrouble,
    SourceError,
)
from oarepo_s3_client.events import Event, PartDone
from tests.client.repository import MIB, PART, READER_TOKEN, Repository
from tests.faults.proxy import Exchange, FaultProxy, Operation
from tests.faults.store_faults import cut_before, lose_answer, refuse
from tests.stack.processes import Restartable

from .conftest import User

MakeFile = Callable[..., Path]
SIZE = 3 * PART + 12345


def after_parts(count: int, act: Callable[[], object]) -> Callable[[Event], None]:
    """Act when so many parts have arrived."""
    arrived = 0

    def note(event: Event) -> None:
        nonlocal arrived
        arrived += isinstance(event, PartDone)
        if arrived == count and isinstance(event, PartDone):
            act()

    return note


def interrupt(user: User, path: Path, target: str, parts: int = 1) -> None:
    """Upload until so many parts have arrived, one after the other, and stop there."""
    cancel = Cancel()
    user.options, before = user.options | {"parallel": 1}, user.options
    user.on_event = after_parts(parts, cancel.cancel)
    with pytest.raises(Interrupted) as caught:
        user("upload", path, target, cancel=cancel)
    assert caught.value.exit_code == 5
    user.on_event, user.options = None, before
    user.events.clear()


def content_in(user: User, target: str, key: str) -> bytes:
    content: bytes = user("read", target, key)
    return content


def test_a_file_goes_there_and_back(user: User, target: str, make_file: MakeFile, tmp_path: Path) -> None:
    path = make_file(SIZE)
    uploaded = user("upload", path, target)
    assert (uploaded.key, uploaded.size, uploaded.bytes_sent, uploaded.resumed_bytes) == ("data.bin", SIZE, SIZE, 0)
    assert uploaded.checksum.startswith("multipart:")
    (listed,) = user("list", target)
    assert (listed.key, listed.size, listed.checksum, listed.status) == (
        "data.bin", SIZE, uploaded.checksum, "completed",
    )  # fmt: skip
    downloaded = user("download", target, "data.bin", tmp_path / "back.bin")
    assert (downloaded.size, downloaded.checksum, downloaded.bytes_received) == (SIZE, uploaded.checksum, SIZE)
    assert (tmp_path / "back.bin").read_bytes() == path.read_bytes()
    assert user("verify", target, "data.bin", path).matches
    assert not user("verify", target, "data.bin", make_file(SIZE, "other", "x")).matches
    assert user("read", target, "data.bin", PART - 3, 7) == path.read_bytes()[PART - 3 : PART + 4]


def test_events_tell_the_whole_story(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target = ceph_repository.add_record()
    uploaded = user("upload", make_file(SIZE), target)
    (started,) = user.told("started")
    assert (started.size, started.parts, started.part_size, started.resumed_bytes) == (SIZE, 4, PART, 0)
    assert started.face == "draft_files"
    assert sorted(event.part for event in user.told("part")) == [1, 2, 3, 4]
    progress = [event.bytes for event in user.told("progress")]
    assert progress[-1] == SIZE
    assert max(progress) <= SIZE
    assert len(user.told("finishing")) == 1
    (finished,) = user.told("finished")
    assert (finished.size, finished.checksum, finished.bytes_sent) == (SIZE, uploaded.checksum, SIZE)
    assert {event.transfer for event in (started, finished)} == {uploaded.transfer}
    assert user.events == []


def test_an_empty_file(user: User, ceph_repository: Repository, make_file: MakeFile, tmp_path: Path) -> None:
    target = ceph_repository.add_record()
    assert user("upload", make_file(0), target).size == 0
    assert user("download", target, "data.bin", tmp_path / "back").size == 0
    assert (tmp_path / "back").read_bytes() == b""
    assert content_in(user, target, "data.bin") == b""


@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1])
def test_sizes_around_a_part(user: User, ceph_repository: Repository, make_file: MakeFile, size: int) -> None:
    target, path = ceph_repository.add_record(), make_file(size)
    user("upload", path, target)
    assert content_in(user, target, "data.bin") == path.read_bytes()


def test_any_name(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target, path = ceph_repository.add_record(), make_file(10)
    key = "příloha 1/données #1 100%+?&.bin"
    user("upload", path, target, key)
    assert [info.key for info in user("list", target)] == [key]
    assert content_in(user, target, key) == path.read_bytes()
    user("delete", target, key)
    assert user("list", target) == []


def test_run_again_and_it_goes_on(user: User, target: str, make_file: MakeFile) -> None:
    path = make_file(SIZE)
    interrupt(user, path, target, parts=2)
    status = user("status", target, "data.bin")
    assert (status.state, status.size, status.part_size, status.parts_count) == ("open", SIZE, PART, 4)
    assert len(status.arrived) == 2
    assert status.known
    uploaded = user("upload", path, target)
    assert uploaded.resumed_bytes == 2 * PART
    assert uploaded.bytes_sent == SIZE - 2 * PART
    assert content_in(user, target, "data.bin") == path.read_bytes()


def test_resume_by_path_and_by_id(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target, path = ceph_repository.add_record(), make_file(SIZE)
    interrupt(user, path, target)
    resumed = user("resume", str(path))
    assert resumed.resumed_bytes == PART
    with pytest.raises(NotFound):
        user("resume", resumed.transfer)


def test_another_machine_sends_only_what_is_missing(
    user: User, ceph_repository: Repository, make_file: MakeFile, tmp_path: Path
) -> None:
    target = ceph_repository.add_record()
    path = make_file(SIZE)
    interrupt(user, path, target, parts=2)
    user.state_dir = tmp_path / "elsewhere"
    uploaded = user("upload", path, target)
    assert uploaded.bytes_sent == SIZE - 2 * PART
    assert content_in(user, target, "data.bin") == path.read_bytes()


def test_parts_of_another_content_are_not_taken(
    user: User, ceph_repository: Repository, make_file: MakeFile, tmp_path: Path
) -> None:
    """Same size, same name, but not the file that the upload was begun with."""
    target = ceph_repository.add_record()
    interrupt(user, make_file(SIZE, seed="other"), target, parts=2)
    user.state_dir = tmp_path / "elsewhere"
    path = make_file(SIZE)
    assert user("upload", path, target).bytes_sent == SIZE
    assert content_in(user, target, "data.bin") == path.read_bytes()


def test_what_is_there_already_is_not_sent_again(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target = ceph_repository.add_record()
    path = make_file(SIZE)
    first = user("upload", path, target)
    user.events.clear()
    again = user("upload", path, target)
    assert (again.bytes_sent, again.checksum) == (0, first.checksum)
    assert [event.code for event in user.told("notice")] == ["already_there"]
    changed = make_file(SIZE, seed="new version")
    assert user("upload", changed, target).bytes_sent == SIZE
    assert content_in(user, target, "data.bin") == changed.read_bytes()


def test_a_file_that_has_changed_since_is_refused(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target = ceph_repository.add_record()
    interrupt(user, make_file(SIZE), target)
    for size in (SIZE, SIZE + 1):
        with pytest.raises(FileChanged) as caught:
            user("upload", make_file(size, seed="changed"), target)
        assert (caught.value.code, caught.value.exit_code) == ("file_changed", 1)
        assert "abort" in caught.value.hint
    user("abort", target, "data.bin")
    path = make_file(SIZE + 1, seed="changed")
    user("upload", path, target)
    assert content_in(user, target, "data.bin") == path.read_bytes()


@pytest.mark.parametrize("change", ["touch", "truncate", "replace", "remove"])
def test_a_file_that_changes_meanwhile_is_refused(
    user: User, ceph_repository: Repository, make_file: MakeFile, change: str
) -> None:
    target, path = ceph_repository.add_record(), make_file(SIZE)
    changes = {
        "touch": lambda: os.utime(path, ns=(1, 1)),
        "truncate": lambda: os.truncate(path, 2 * PART),
        "replace": lambda: os.replace(make_file(SIZE, "new", "new"), path),
        "remove": path.unlink,
    }
    user.options["parallel"] = 1
    user.on_event = after_parts(1, changes[change])
    with pytest.raises(FileChanged):
        user("upload", path, target)
    assert [info.status for info in user("list", target)] == ["pending"]


def test_urls_that_live_for_2_s(user: User, short_lived_repository: Repository, make_file: MakeFile) -> None:
    target, path = short_lived_repository.add_record(), make_file(6 * PART)
    user.options |= {"limit_rate": 5 * MIB, "parallel": 2}
    uploaded = user("upload", path, target)
    assert uploaded.seconds > 5
    assert content_in(user, target, "data.bin") == path.read_bytes()
    assert uploaded.bytes_sent <= 8 * PART


def test_a_storm_of_503(user: User, repository: Repository, target: str, make_file: MakeFile) -> None:
    path = make_file(SIZE)
    with repository.proxy.inject(refuse(503, "SlowDown", Retry_After="1"), Operation.PUT_PART, times=6) as storm:
        user("upload", path, target)
        assert storm.count == 6
    retries = user.told("retry")
    assert len(retries) == 6
    assert {event.reason for event in retries} == {"the store answers 503 SlowDown"}
    assert min(event.wait for event in retries) >= 1
    assert content_in(user, target, "data.bin") == path.read_bytes()


@pytest.mark.parametrize("fault", [cut_before, lose_answer, refuse(500, "InternalError"), refuse(403, "AccessDenied")])
def test_a_part_that_fails_is_sent_again(
    user: User, ceph_repository: Repository, make_file: MakeFile, fault: Callable[[Exchange], None]
) -> None:
    repository = ceph_repository
    target = repository.add_record()
    path = make_file(SIZE)
    with repository.proxy.inject(fault, Operation.PUT_PART, skip=1):
        uploaded = user("upload", path, target)
    assert content_in(user, target, "data.bin") == path.read_bytes()
    assert uploaded.bytes_sent <= SIZE + PART
    assert len(user.told("retry")) == 1


def test_attempts_have_an_end_and_what_arrived_stays(
    user: User, ceph_repository: Repository, make_file: MakeFile
) -> None:
    target, path = ceph_repository.add_record(), make_file(SIZE)
    user.options |= {"attempts": 2, "parallel": 1}
    with ceph_repository.proxy.inject(refuse(500, "InternalError"), Operation.PUT_PART, skip=1, times=99):
        with pytest.raises(ServerTrouble) as caught:
            user("upload", path, target)
        assert caught.value.hint
        (failed,) = user.told("failed")
        assert (failed.code, failed.message) == (caught.value.code, caught.value.message)
    assert user("upload", path, target).resumed_bytes == PART


def flip_a_byte(exchange: Exchange) -> None:
    body = bytearray(exchange._body)
    body[len(body) // 2] ^= 1
    exchange._body = bytes(body)
    exchange.answer(exchange.forward())


def test_a_wrong_byte_on_the_wire_is_repaired(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    repository = ceph_repository
    target = repository.add_record()
    path = make_file(SIZE)
    with repository.proxy.inject(flip_a_byte, Operation.PUT_PART, times=2) as flipped:
        user("upload", path, target)
        assert flipped.count == 2
    assert {event.reason for event in user.told("retry")} == {"the store has other bytes than were sent"}
    assert content_in(user, target, "data.bin") == path.read_bytes()


def test_wrong_bytes_each_time_are_told(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target, path = ceph_repository.add_record(), make_file(SIZE)
    with (
        ceph_repository.proxy.inject(flip_a_byte, Operation.PUT_PART, times=99),
        pytest.raises(IntegrityError) as caught,
    ):
        user("upload", path, target)
    assert caught.value.exit_code == 6
    assert [info.status for info in user("list", target)] == ["pending"]


def test_the_store_is_restarted(
    user: User, ceph_repository: Repository, gateway: Restartable, make_file: MakeFile
) -> None:
    target, path = ceph_repository.add_record(), make_file(6 * PART)
    user.options |= {"parallel": 2}
    user.on_event = after_parts(2, gateway.restart)
    user("upload", path, target)
    assert content_in(user, target, "data.bin") == path.read_bytes()


def test_an_upload_that_the_store_forgets_begins_anew(
    user: User, ceph_repository: Repository, make_file: MakeFile
) -> None:
    repository = ceph_repository
    target = repository.add_record()
    path = make_file(SIZE)

    def forget(exchange: Exchange) -> None:
        for upload in repository.s3().list_multipart_uploads(Bucket=repository.s3_bucket).get("Uploads", ()):
            repository.s3().abort_multipart_upload(
                Bucket=repository.s3_bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )
        exchange.answer(exchange.forward())

    with repository.proxy.inject(forget, Operation.PUT_PART, skip=2):
        user("upload", path, target)
    assert content_in(user, target, "data.bin") == path.read_bytes()


@pytest.mark.parametrize("fault", [lose_answer, cut_before, refuse(503, "SlowDown")])
def test_the_answer_to_the_completion_is_lost(
    user: User, ceph_repository: Repository, make_file: MakeFile, fault: Callable[[Exchange], None]
) -> None:
    """Between the repository and the store: the repository says 503 or 409, and is asked again."""
    target, path = ceph_repository.add_record(), make_file(SIZE)
    with ceph_repository.proxy.inject(fault, Operation.COMPLETE):
        user("upload", path, target)
    assert content_in(user, target, "data.bin") == path.read_bytes()


@pytest.mark.parametrize("skip", range(3))
def test_any_answer_of_the_repository_is_lost(
    user: User, ceph_repository: Repository, make_file: MakeFile, skip: int
) -> None:
    """One for the list, one for the opening, one for the completion: each may be repeated."""
    target, path = ceph_repository.add_record(), make_file(SIZE)
    web_port = int(ceph_repository.url.rpartition(":")[2])
    with FaultProxy(web_port) as proxy, proxy.inject(lose_answer, skip=skip) as lost:
        user("upload", path, target.replace(ceph_repository.url, proxy.endpoint))
        assert lost.count == 1
    assert content_in(user, target, "data.bin") == path.read_bytes()
    assert ceph_repository.states("data.bin")[-1] == "completed"


def test_the_repository_misses_a_part(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target, path = ceph_repository.add_record(), make_file(SIZE)

    def hide(exchange: Exchange) -> None:
        response = exchange.forward()
        start = response.body.rfind(b"<Part>")
        response.set_body(response.body[:start] + response.body[response.body.rfind(b"</Part>") + 7 :])
        exchange.answer(response)

    with ceph_repository.proxy.inject(hide, Operation.LIST_PARTS, times=2) as hidden:
        uploaded = user("upload", path, target)
        assert hidden.count == 2
    assert SIZE < uploaded.bytes_sent <= SIZE + PART
    assert content_in(user, target, "data.bin") == path.read_bytes()


def test_the_token_goes_to_nobody_but_the_repository(
    user: User, ceph_repository: Repository, make_file: MakeFile, tmp_path: Path
) -> None:
    repository = ceph_repository
    target = repository.add_record()
    seen: list[str] = []

    def look(exchange: Exchange) -> None:
        seen.append(str(exchange._handler.headers).lower())
        exchange.answer(exchange.forward())

    with repository.proxy.inject(look, times=99):
        user("upload", make_file(SIZE), target)
        user("download", target, "data.bin", tmp_path / "back")
        user("read", target, "data.bin")
    assert len(seen) > 8
    assert not any("token-of" in headers or "bearer" in headers for headers in seen)


def test_who_may_not_write_is_told(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target = ceph_repository.add_record()
    for token in (READER_TOKEN, "nobody", None):
        user.options["token"] = token
        with pytest.raises(NotAuthorised) as caught:
            user("upload", make_file(10), target)
        assert caught.value.exit_code == 4
        assert "login" in caught.value.hint


def test_wrong_addresses_are_told(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    path = make_file(10)
    with pytest.raises(NotFound):
        user("upload", path, f"{ceph_repository.url}/draft/records/987654")
    with pytest.raises(ClientError) as caught:
        user("upload", path, "draft/records/1")
    assert caught.value.exit_code == 2


def test_a_stream_is_sent_part_by_part(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target = ceph_repository.add_record()
    path = make_file(SIZE)
    reader, writer = os.pipe()
    feeder = threading.Thread(target=lambda: os.fdopen(writer, "wb").write(path.read_bytes()))
    feeder.start()
    with os.fdopen(reader, "rb") as stream:
        uploaded = user("upload", stream, target, "stream.bin", size=SIZE)
    feeder.join()
    assert uploaded.bytes_sent == SIZE
    assert content_in(user, target, "stream.bin") == path.read_bytes()


def test_an_object_that_can_be_sought(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target, content = ceph_repository.add_record(), make_file(SIZE).read_bytes()
    user("upload", BytesIO(content), target, "object.bin")
    assert content_in(user, target, "object.bin") == content
    with pytest.raises(ClientError) as caught:
        user("upload", BytesIO(b"x"), target)
    assert caught.value.exit_code == 2


def test_abort_drops_the_upload(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target = ceph_repository.add_record()
    path = make_file(SIZE)
    interrupt(user, path, target)
    user("abort", target, "data.bin")
    assert user("list", target) == []
    with pytest.raises(NotFound):
        user("resume", str(path))
    assert user("upload", path, target).resumed_bytes == 0


def test_many_files_and_some_bad_ones(user: User, repository: Repository, target: str, make_file: MakeFile) -> None:
    paths = [make_file(size, f"file {size}", str(size)) for size in (0, 1, 1000, PART + 1)]
    pipe = paths[0].parent / "pipe"
    os.mkfifo(pipe)
    items = [UploadItem(path, path.name) for path in [*paths, pipe, paths[0].parent / "missing"]]
    report = user("upload_many", iter(items), target, on_error="skip")
    assert {uploaded.key for uploaded in report.uploaded} == {path.name for path in paths}
    assert {item.key: type(error) for item, error in report.failed} == {"pipe": SourceError, "missing": SourceError}
    for path in paths:
        assert content_in(user, target, path.name) == path.read_bytes()
    again = user("upload_many", [UploadItem(path) for path in paths], target)
    assert sum(uploaded.bytes_sent for uploaded in again.uploaded) == 0


def test_many_files_stop_at_the_first_error(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target, path = ceph_repository.add_record(), make_file(10)
    user.options["parallel"] = 1
    items = [UploadItem(path, "first"), UploadItem(path.parent / "missing"), UploadItem(path, "last")]
    with pytest.raises(SourceError):
        user("upload_many", items, target)
    assert [info.key for info in user("list", target)] == ["first"]


def test_a_refusal_has_its_code(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target = ceph_repository.add_record()
    with pytest.raises(Refused) as caught:
        user("upload", make_file(10), target, "data.bin/parts-multipart")
    assert (caught.value.code, caught.value.exit_code) == ("invalid_key", 1)


def test_the_doctor(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    repository = ceph_repository
    target = repository.add_record()

    def findings() -> dict[str, bool | None]:
        return {check.name: check.ok for check in user("doctor", target)}

    good = {"encryption": True, "repository": True, "clock": True, "token": True}
    assert findings() == good | {"store": None}
    user("upload", make_file(10), target)
    assert findings() == good | {"store": True}
    user.options["token"] = READER_TOKEN
    assert findings()["token"] is False
