# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Files that go by one PUT, alone and many at a time."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from oarepo_s3_client import Cancel, UploadItem
from oarepo_s3_client.errors import (
    ClientError,
    FileChanged,
    IntegrityError,
    Interrupted,
    NotAuthorised,
    Refused,
    ServerTrouble,
    SourceError,
)
from oarepo_s3_client.events import Event, Finishing, PartDone, Started
from tests.client.repository import MIB, ONE_PUT, PART, READER_TOKEN, TOKEN, Repository
from tests.faults.proxy import Exchange, FaultProxy, Operation, Response
from tests.faults.store_faults import cut_before, lose_answer, refuse

from .conftest import User
from .test_uploads import after_parts, content_in, flip_a_byte

MakeFile = Callable[..., Path]
EMPTY = "md5:d41d8cd98f00b204e9800998ecf8427e"
FILES = 120
"""More than one batch."""

PUT = Operation.OTHER
"""What the proxy calls the one PUT of a file."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    for number in range(FILES):
        (made / f"{number:03}.txt").write_bytes(f"content of {number}".encode() if number else b"")
    return made


def items_of(folder: Path) -> list[UploadItem]:
    return [UploadItem(path) for path in sorted(folder.iterdir())]


def check_all_there(user: User, target: str, folder: Path) -> None:
    listed = {info.key: info for info in user("list", target)}
    assert listed.keys() == {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        assert listed[path.name].checksum == f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"
        assert listed[path.name].status == "completed"


@pytest.fixture
def web(ceph_repository: Repository) -> Iterator[FaultProxy]:
    """Stands before the repository."""
    with FaultProxy(int(ceph_repository.url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
def behind_web(ceph_repository: Repository, web: FaultProxy) -> str:
    """A new record, asked for through it."""
    return ceph_repository.add_record().replace(ceph_repository.url, web.endpoint)


def path_of(exchange: Exchange) -> str:
    path: str = exchange._handler.path
    return path


def answer_json(exchange: Exchange, status: int, document: Any) -> None:
    response = Response(status, [("Content-Type", "application/json")], b"")
    response.set_body(json.dumps(document).encode())
    exchange.answer(response)


def in_answers(marker: str, change: Callable[[list[dict[str, Any]]], None], times: int = 1) -> Callable[..., None]:
    """Change the results in the first answers to lists."""
    done: list[str] = []

    def behave(exchange: Exchange) -> None:
        response = exchange.forward()
        if marker in path_of(exchange) and response.body.startswith(b"[") and len(done) < times:
            done.append(marker)
            results = json.loads(response.body)
            change(results)
            response.set_body(json.dumps(results).encode())
        exchange.answer(response)

    return behave


def test_one_put_and_nothing_else(user: User, repository: Repository, target: str, make_file: MakeFile) -> None:
    path = make_file(ONE_PUT)
    in_parts = [Operation.CREATE, Operation.PUT_PART, Operation.LIST_PARTS, Operation.COMPLETE]
    uploaded = user("upload", path, target)
    assert uploaded.checksum == f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"
    assert (uploaded.bytes_sent, uploaded.resumed_bytes) == (ONE_PUT, 0)
    (started,) = user.told("started")
    assert (started.parts, started.part_size, started.size) == (1, ONE_PUT, ONE_PUT)
    assert [event.part for event in user.told("part")] == [1]
    assert content_in(user, target, "data.bin") == path.read_bytes()
    seen: list[str] = []

    def note(exchange: Exchange) -> None:
        seen.append(exchange._handler.command)
        exchange.answer(exchange.forward())

    with repository.proxy.inject(note, times=99):
        user("upload", make_file(1000, "second"), target)
    assert seen == ["PUT", "HEAD"]
    for operation in in_parts:
        assert repository.proxy.busy(operation) == 0


def test_a_bigger_file_goes_in_parts(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target, path = ceph_repository.add_record(), make_file(ONE_PUT + 1)
    assert user("upload", path, target).checksum.startswith("multipart:")
    user.options["part_size"] = PART
    user("upload", make_file(ONE_PUT, "other"), target)
    assert content_in(user, target, "other") == (path.parent / "other").read_bytes()


def test_an_empty_file_goes_by_one_put(user: User, target: str, make_file: MakeFile) -> None:
    assert user("upload", make_file(0), target).checksum == EMPTY
    assert user("upload", make_file(0), target).bytes_sent == 0
    assert [event.code for event in user.told("notice")] == ["already_there"]


def test_more_than_one_batch(user: User, repository: Repository, target: str, folder: Path) -> None:
    asked: Counter[str] = Counter()

    def note(exchange: Exchange) -> None:
        asked[exchange._handler.command + path_of(exchange).rpartition("/files")[2]] += 1
        exchange.answer(exchange.forward())

    with FaultProxy(int(repository.url.rpartition(":")[2])) as web, web.inject(note, times=999):
        report = user("upload_many", iter(items_of(folder)), target.replace(repository.url, web.endpoint))
    assert len(report.uploaded) == FILES
    assert asked.pop("GET") == 1
    assert asked.keys() == {"POST/?multipart=True", "POST/?complete=True"}
    assert sum(asked.values()) <= 12
    assert Counter(event.key for event in user.told("finished")) == Counter(path.name for path in folder.iterdir())
    for kind in ("started", "finishing"):
        assert len(user.told(kind)) == FILES
    check_all_there(user, target, folder)
    again = user("upload_many", items_of(folder), target)
    assert [one.bytes_sent for one in again.uploaded] == [0] * FILES
    (folder / "007.txt").write_bytes(b"a new version")
    (folder / "008.txt").write_bytes(b"content of X")
    changed = user("upload_many", items_of(folder), target)
    assert {one.key for one in changed.uploaded if one.bytes_sent} == {"007.txt", "008.txt"}
    check_all_there(user, target, folder)


def test_small_and_big_ones_mixed(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target = ceph_repository.add_record()
    sizes = [0, 1, MIB, MIB + 1, ONE_PUT, ONE_PUT + 1, PART + 1]
    paths = [make_file(size, f"file {size}", str(size)) for size in sizes]
    twice = UploadItem(paths[1], "file 1")
    with paths[2].open("rb") as stream:
        items = [*map(UploadItem, paths), UploadItem(stream, "stream"), UploadItem(paths[3], "sized", MIB + 1)]
        report = user("upload_many", [*items, twice], target, on_error="skip")
    assert len(report.uploaded) + len(report.failed) == len(sizes) + 3
    assert {item.key for item, _ in report.failed} <= {"file 1"}
    for path in paths:
        assert content_in(user, target, path.name) == path.read_bytes()
    assert content_in(user, target, "stream") == paths[2].read_bytes()
    assert content_in(user, target, "sized") == paths[3].read_bytes()


def test_a_bad_one_among_good_ones(user: User, ceph_repository: Repository, folder: Path) -> None:
    target = ceph_repository.add_record()
    items = items_of(folder)[:20]
    bad = [UploadItem(folder / "001.txt", "a/../b"), UploadItem(folder / "missing")]
    report = user("upload_many", [items[0], *bad, *items[1:]], target, on_error="skip")
    assert {item.key: error.code for item, error in report.failed} == {
        "a/../b": "invalid_key", None: "source_unreadable",
    }  # fmt: skip
    assert len(report.uploaded) == 20
    assert {event.key for event in user.told("failed")} == {"a/../b", "missing"}
    with pytest.raises(Refused) as caught:
        user("upload_many", bad[:1], target)
    assert caught.value.code == "invalid_key"


def test_files_before_the_unreadable_one_are_there(user: User, ceph_repository: Repository, folder: Path) -> None:
    target, items = ceph_repository.add_record(), items_of(folder)
    items.insert(110, UploadItem(folder / "missing"))
    with pytest.raises(SourceError):
        user("upload_many", items, target)
    assert [info.key for info in user("list", target)] == [f"{number:03}.txt" for number in range(110)]


def test_who_may_not_write_is_told_once(user: User, ceph_repository: Repository, folder: Path) -> None:
    user.options["token"] = READER_TOKEN
    with pytest.raises(NotAuthorised):
        user("upload_many", items_of(folder), ceph_repository.add_record(), on_error="skip")


def test_an_error_of_the_items_is_the_callers(user: User, ceph_repository: Repository, folder: Path) -> None:
    def items() -> Iterator[UploadItem]:
        yield from items_of(folder)[:3]
        raise LookupError("no more")

    target = ceph_repository.add_record()
    with pytest.raises(LookupError):
        user("upload_many", items(), target, on_error="skip")
    assert [info.status for info in user("list", target)] == ["completed"] * 3


@pytest.mark.parametrize("marker", ["multipart=True", "complete=True"])
@pytest.mark.parametrize("error", [{"status": 409, "code": "upload_busy", "retry_after": 1}, {"status": 503}])
def test_single_results_are_asked_for_again(
    user: User, web: FaultProxy, behind_web: str, folder: Path, marker: str, error: dict[str, Any]
) -> None:
    keys: list[str] = []

    def spoil(results: list[dict[str, Any]]) -> None:
        for result in results[:3]:
            keys.append(result["key"])
            key = result["key"]
            result.clear()
            result |= {**error, "message": "Not now.", "key": key}

    with web.inject(in_answers(marker, spoil), times=99):
        report = user("upload_many", items_of(folder)[:9], behind_web, on_error="skip")
    assert keys
    assert (len(report.uploaded), report.failed) == (9, [])


@pytest.mark.parametrize("marker", ["multipart=True", "complete=True"])
def test_a_single_refusal_fails_one(user: User, web: FaultProxy, behind_web: str, folder: Path, marker: str) -> None:
    def spoil(results: list[dict[str, Any]]) -> None:
        results[-1] = {"status": 413, "code": "quota_exceeded", "message": "Too much.", "key": results[-1]["key"]}

    with web.inject(in_answers(marker, spoil), times=99):
        report = user("upload_many", items_of(folder)[:10], behind_web, on_error="skip")
    assert [error.code for _, error in report.failed] == ["quota_exceeded"]
    assert len(report.uploaded) == 9


def test_a_file_that_the_repository_has_otherwise(user: User, web: FaultProxy, behind_web: str, folder: Path) -> None:
    def spoil(results: list[dict[str, Any]]) -> None:
        results[0]["checksum"] = EMPTY

    with web.inject(in_answers("complete=True", spoil), times=99):
        report = user("upload_many", items_of(folder)[1:5], behind_web, on_error="skip")
    assert [type(error) for _, error in report.failed] == [IntegrityError]


@pytest.mark.parametrize(("limit", "status"), [(None, 400), (7, 400), (7, 413)])
def test_a_repository_that_takes_shorter_lists_or_none(
    user: User, web: FaultProxy, behind_web: str, folder: Path, limit: int | None, status: int
) -> None:
    longest: list[int] = []

    def refuse_lists(exchange: Exchange) -> None:
        body = json.loads(exchange._body or b"null")
        if isinstance(body, list) and len(body) > (limit or 0):
            limits = {} if limit is None else {"limit": limit}
            answer_json(exchange, status, {"code": "bad_request", "message": "No.", **limits})
            return
        if isinstance(body, list):
            longest.append(len(body))
        exchange.answer(exchange.forward())

    with web.inject(refuse_lists, times=999):
        report = user("upload_many", items_of(folder)[:60], behind_web)
    assert len(report.uploaded) == 60
    assert bool(longest) is (limit is not None)
    if status == 400:
        assert max(longest, default=0) <= (limit or 0)


def test_a_repository_that_knows_no_one_put(
    user: User, web: FaultProxy, behind_web: str, folder: Path, make_file: MakeFile
) -> None:
    def forget(exchange: Exchange) -> None:
        body = json.loads(exchange._body or b"null")
        for entry in body if isinstance(body, list) else [body]:
            if isinstance(entry, dict):
                entry.pop("content_md5", None)
        if body is not None:
            exchange._body = json.dumps(body).encode()
            del exchange._handler.headers["Content-Length"]
            exchange._handler.headers["Content-Length"] = str(len(exchange._body))
        exchange.answer(exchange.forward())

    with web.inject(forget, times=999):
        report = user("upload_many", items_of(folder)[:10], behind_web)
        assert user("upload", make_file(0, "empty"), behind_web).size == 0
        assert user("upload", make_file(9, "nine"), behind_web).checksum.startswith("multipart:")
    assert len(report.uploaded) == 10
    assert {one.checksum[:10] for one in report.uploaded if one.size} == {"multipart:"}
    assert content_in(user, behind_web, "009.txt") == b"content of 9"


def test_a_storm_of_503_over_small_files(user: User, repository: Repository, target: str, folder: Path) -> None:
    with repository.proxy.inject(refuse(503, "SlowDown", Retry_After="1"), PUT, times=6) as storm:
        report = user("upload_many", items_of(folder)[:30], target)
        assert storm.count == 6
    assert len(report.uploaded) == 30
    assert {event.reason for event in user.told("retry")} == {"the store answers 503 SlowDown"}


@pytest.mark.parametrize("fault", [cut_before, lose_answer, flip_a_byte, refuse(403, "AccessDenied")])
def test_a_put_that_fails_is_done_again(
    user: User, ceph_repository: Repository, folder: Path, fault: Callable[[Exchange], None]
) -> None:
    target = ceph_repository.add_record()
    with ceph_repository.proxy.inject(fault, PUT, skip=1, times=2) as failed:
        report = user("upload_many", items_of(folder)[1:10], target)
        assert failed.count == 2
    assert len(report.uploaded) == 9
    for path in sorted(folder.iterdir())[1:10]:
        assert content_in(user, target, path.name) == path.read_bytes()


def test_puts_that_never_work(user: User, ceph_repository: Repository, folder: Path) -> None:
    target = ceph_repository.add_record()
    user.options["attempts"] = 2
    with ceph_repository.proxy.inject(refuse(500, "InternalError"), PUT, times=99):
        report = user("upload_many", items_of(folder)[:3], target, on_error="skip")
    assert [type(error) for _, error in report.failed] == [ServerTrouble] * 3


def test_urls_of_small_files_that_expire(user: User, short_lived_repository: Repository, make_file: MakeFile) -> None:
    target = short_lived_repository.add_record()
    paths = [make_file(MIB, f"{number}.bin", str(number)) for number in range(6)]
    user.options |= {"limit_rate": 2 * MIB, "parallel": 1}
    report = user("upload_many", map(UploadItem, paths), target)
    assert len(report.uploaded) == 6
    assert max(one.bytes_sent for one in report.uploaded) <= 2 * MIB
    assert sum(one.bytes_sent for one in report.uploaded) <= 9 * MIB
    for path in paths:
        assert content_in(user, target, path.name) == path.read_bytes()


@pytest.mark.parametrize("event", [PartDone, Finishing])
def test_cancel_keeps_what_has_arrived(
    user: User, ceph_repository: Repository, folder: Path, event: type[Event]
) -> None:
    target, cancel, sent = ceph_repository.add_record(), Cancel(), Counter[str]()

    def note(exchange: Exchange) -> None:
        sent[path_of(exchange).partition("?")[0]] += 1
        exchange.answer(exchange.forward())

    def stop(happened: Event) -> None:
        if isinstance(happened, event):
            cancel.cancel()

    with ceph_repository.proxy.inject(note, PUT, times=999):
        user.on_event = stop
        with pytest.raises(Interrupted):
            user("upload_many", items_of(folder), target, cancel=cancel)
        user.on_event = None
        report = user("upload_many", items_of(folder), target)
    assert len(report.uploaded) == FILES
    check_all_there(user, target, folder)
    assert sum(sent.values()) <= FILES + 4
    assert sum(one.resumed_bytes > 0 for one in report.uploaded) >= 1


def test_cancel_while_the_store_hangs(user: User, ceph_repository: Repository, folder: Path) -> None:
    target, cancel = ceph_repository.add_record(), Cancel()

    def hang(exchange: Exchange) -> None:
        cancel.cancel()
        exchange.hold()

    with ceph_repository.proxy.inject(hang, PUT, times=4), pytest.raises(Interrupted):
        user("upload_many", items_of(folder), target, cancel=cancel)
    with pytest.raises(Interrupted):
        user("upload_many", items_of(folder), target, cancel=cancel)


@pytest.mark.parametrize("skip", range(3))
def test_any_answer_about_small_files_is_lost(
    user: User, web: FaultProxy, behind_web: str, folder: Path, skip: int
) -> None:
    with web.inject(lose_answer, skip=skip) as lost:
        report = user("upload_many", items_of(folder)[:20], behind_web)
        assert lost.count == 1
    assert len(report.uploaded) == 20


@pytest.mark.parametrize("size", [1000, MIB + 1])
@pytest.mark.parametrize("change", ["content", "removal"])
def test_a_small_file_that_changes_is_refused(
    user: User, ceph_repository: Repository, make_file: MakeFile, size: int, change: str
) -> None:
    target, path, other = ceph_repository.add_record(), make_file(size), make_file(10, "other")

    def spoil(event: Event) -> None:
        if isinstance(event, Started) and event.key == "data.bin" and path.exists():
            if change == "removal":
                path.unlink()
            else:
                path.write_bytes(b"x" * size)

    user.on_event = spoil
    report = user("upload_many", [UploadItem(path), UploadItem(other)], target, on_error="skip")
    assert [one.key for one in report.uploaded] == ["other"]
    assert [type(error) for _, error in report.failed] == [
        SourceError if change == "removal" and size > MIB else FileChanged
    ]


def test_an_upload_that_was_begun_in_parts_goes_on(
    user: User, ceph_repository: Repository, make_file: MakeFile
) -> None:
    target, path = ceph_repository.add_record(), make_file(1000)
    for key in ("alone", "one of many", "of another size"):
        httpx.post(
            f"{target}/files/?multipart=True",
            json={"key": key, "size": 1000},
            headers={"Authorization": f"Bearer {TOKEN}"},
        ).raise_for_status()
    assert user("upload", path, target, "alone").checksum.startswith("multipart:")
    (uploaded,) = user("upload_many", [UploadItem(path, "one of many")], target).uploaded
    assert uploaded.checksum.startswith("multipart:")
    with pytest.raises(Refused) as caught:
        user("upload", make_file(999, "other"), target, "of another size")
    assert caught.value.code == "upload_exists"


def test_a_file_that_was_put_is_not_put_again(user: User, ceph_repository: Repository, make_file: MakeFile) -> None:
    target, path, cancel = ceph_repository.add_record(), make_file(1000), Cancel()
    user.on_event = after_parts(1, cancel.cancel)
    with pytest.raises(Interrupted):
        user("upload", path, target, cancel=cancel)
    user.on_event = None
    uploaded = user("upload", path, target)
    assert (uploaded.bytes_sent, uploaded.resumed_bytes) == (0, 1000)
    assert content_in(user, target, "data.bin") == path.read_bytes()


@pytest.mark.parametrize("many", [True, False])
def test_the_store_has_lost_the_file(user: User, ceph_repository: Repository, make_file: MakeFile, many: bool) -> None:
    target, path = ceph_repository.add_record(), make_file(1000)
    with ceph_repository.proxy.inject(refuse(404, "NoSuchKey"), Operation.HEAD) as lost:
        if many:
            user("upload_many", [UploadItem(path)], target)
        else:
            user("upload", path, target)
        assert lost.count == 1
    assert content_in(user, target, "data.bin") == path.read_bytes()


def test_a_second_deletion_after_a_lost_answer_counts(
    user: User, web: FaultProxy, behind_web: str, make_file: MakeFile
) -> None:
    user("upload", make_file(10), behind_web)
    with web.inject(lose_answer, Operation.DELETE) as lost:
        user("delete", behind_web, "data.bin")
        assert lost.count == 1
    assert user("list", behind_web) == []
    with pytest.raises(ClientError):
        user("delete", behind_web, "data.bin")
