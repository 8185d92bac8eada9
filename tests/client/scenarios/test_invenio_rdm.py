# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oarepo_s3_client import Cancel, UploadItem
from oarepo_s3_client.errors import Interrupted, NotAuthorised, NotFound, Refused, ServerTrouble
from oarepo_s3_client.events import Event, Finishing

from .conftest import User
from .fake_rdm import DRAFT, FakeRDM, fake_rdm
from .test_uploads import after_parts

MakeFile = Callable[..., Path]
PART = 100_000
SIZE = 3 * PART + 5


@pytest.fixture(params=[True, False], ids=["ours", "stock"])
def rdm(request: pytest.FixtureRequest) -> Iterator[FakeRDM]:
    with fake_rdm(ours=request.param) as fake:
        yield fake


@pytest.fixture
def user(user: User) -> User:
    user.options["part_size"] = PART
    return user


def interrupt(user: User, path: Path, rdm: FakeRDM, parts: int) -> None:
    cancel = Cancel()
    user.options["parallel"] = 1
    user.on_event = after_parts(parts, cancel.cancel)
    with pytest.raises(Interrupted):
        user("upload", path, rdm.target, cancel=cancel)
    user.on_event = None


def test_there_and_back(user: User, rdm: FakeRDM, make_file: MakeFile, tmp_path: Path) -> None:
    path = make_file(SIZE, "data & more.bin")
    uploaded = user("upload", path, rdm.target)
    assert rdm.files[path.name].content == path.read_bytes()
    assert (uploaded.bytes_sent, uploaded.checksum[:4]) == (SIZE, "md5:")
    assert [event.face for event in user.told("started")] == ["invenio_rdm"]
    assert [(info.key, info.status) for info in user("list", rdm.target)] == [(path.name, "completed")]
    user("download", rdm.target, path.name, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
    assert user("verify", rdm.target, path.name, path).matches
    assert user("upload", path, rdm.target).bytes_sent == 0
    assert set(rdm.tokens) == {None}
    user("delete", rdm.target, path.name)
    assert rdm.files == {}


def test_it_goes_on(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    path = make_file(SIZE)
    interrupt(user, path, rdm, 2)
    status = user("status", rdm.target, path.name)
    assert (status.known, status.state, status.parts_count) == (rdm.ours, "open", 4)
    assert len(status.arrived) == (2 if rdm.ours else 0)
    uploaded = user("upload", path, rdm.target)
    assert uploaded.bytes_sent == SIZE - 2 * PART
    assert rdm.files[path.name].content == path.read_bytes()


def test_from_another_machine_stock_sends_all_again(
    user: User, rdm: FakeRDM, make_file: MakeFile, tmp_path: Path
) -> None:
    path = make_file(SIZE)
    interrupt(user, path, rdm, 2)
    user.state_dir = tmp_path / "elsewhere"
    assert user("upload", path, rdm.target).bytes_sent == (SIZE - 2 * PART if rdm.ours else SIZE)
    assert rdm.files[path.name].content == path.read_bytes()
    told = ["no_part_list", "no_part_list", "sent_again"]  # one by each client
    assert [event.code for event in user.told("notice")] == ([] if rdm.ours else told)


def test_what_stock_cannot_do_is_said(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    files = [UploadItem(make_file(SIZE, f"{number}.bin", str(number))) for number in range(3)]
    user("upload_many", [*files, UploadItem(make_file(PART))], rdm.target)
    assert [event.code for event in user.told("notice")] == ([] if rdm.ours else ["no_part_list"])


def test_one_part_needs_no_list(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    user("upload", make_file(PART), rdm.target)
    assert user.told("notice") == []


def test_another_upload_that_began_since_is_not_taken_for_ours(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    path = make_file(SIZE)
    interrupt(user, path, rdm, 2)
    user("abort", rdm.target, path.name)
    assert user("upload", path, rdm.target).bytes_sent == SIZE


def test_another_plan_is_refused(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    path = make_file(SIZE)
    interrupt(user, path, rdm, 1)
    user.options["part_size"] = 2 * PART
    with pytest.raises(Refused) as caught:
        user("upload", path, rdm.target)
    assert caught.value.code == "upload_exists"
    assert f"{PART} bytes" in caught.value.hint


def test_nobody_has_to_know_the_part_size_again(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    path = make_file(SIZE)
    interrupt(user, path, rdm, 2)
    del user.options["part_size"]
    (transfer,) = user("transfers") if user.kind == "sync" else [None]
    uploaded = user("upload", path, rdm.target) if transfer is None else user("resume", transfer.transfer)
    assert uploaded.bytes_sent == SIZE - 2 * PART
    assert rdm.files[path.name].content == path.read_bytes()


def test_another_file_of_that_name_is_refused(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    user("upload", make_file(SIZE), rdm.target)
    with pytest.raises(Refused, match="already exists"):
        user("upload", make_file(SIZE, seed="other"), rdm.target)
    with pytest.raises(Refused) as caught:
        user("abort", rdm.target, "data.bin")
    assert caught.value.code == "upload_completed"
    assert user("status", rdm.target, "data.bin").state == "completed"


@pytest.mark.parametrize("lost", ["POST /files", "POST /files/data.bin/commit", "GET /files"])
def test_lost_answers(user: User, rdm: FakeRDM, make_file: MakeFile, lost: str) -> None:
    path = make_file(SIZE)
    dropped: list[str] = []

    def drop(method: str, where: str) -> bool:
        if dropped or f"{method} {where.removeprefix(DRAFT)}" != lost:
            return False
        dropped.append(where)
        return True

    rdm.drop = drop
    user("upload", path, rdm.target)
    assert len(dropped) == 1
    assert rdm.files[path.name].content == path.read_bytes()


def test_parts_that_are_missing_at_the_end(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    path, lost = make_file(SIZE), []

    def lose(event: Event) -> None:
        if isinstance(event, Finishing) and not lost:
            lost.append(rdm.files["data.bin"].parts.pop(2))

    user.on_event = lose
    if rdm.ours:
        assert user("upload", path, rdm.target).bytes_sent == SIZE + PART
        assert rdm.files[path.name].content == path.read_bytes()
    else:
        user.options["attempts"] = 2
        with pytest.raises(ServerTrouble, match="500") as caught:
            user("upload", path, rdm.target)
        assert (caught.value.code, "oarepo-s3 abort" in caught.value.hint) == ("not_completed", True)
        user("abort", rdm.target, path.name)
        assert user("upload", path, rdm.target).bytes_sent == SIZE
        assert rdm.files[path.name].content == path.read_bytes()
    assert len(lost) == 1


def test_many_small_files_are_opened_by_one_request(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    paths = [make_file(size, f"{size}.bin", str(size)) for size in (0, 1, 10, 1000, PART + 1)]
    report = user("upload_many", map(UploadItem, paths), rdm.target)
    assert len(report.uploaded) == 5
    assert {path.name: rdm.files[path.name].content for path in paths} == {
        path.name: path.read_bytes() for path in paths
    }
    assert rdm.requests.count("POST /files") <= 3
    again = user("upload_many", map(UploadItem, paths), rdm.target)
    assert sum(one.bytes_sent for one in again.uploaded) == 0


def test_one_that_is_there_makes_stock_refuse_all(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    user("upload", make_file(10, "there"), rdm.target)
    paths = [make_file(10, name) for name in ("a", "there", "z")]
    paths[1].write_bytes(b"another content")
    report = user("upload_many", map(UploadItem, paths), rdm.target, on_error="skip")
    assert {one.key for one in report.uploaded} == {"a", "z"}
    assert ["already exists" in error.message for _, error in report.failed] == [True]


def test_an_empty_file(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    user("upload", make_file(0), rdm.target)
    assert rdm.files["data.bin"].content == b""


def test_who_may_not(user: User, rdm: FakeRDM, make_file: MakeFile) -> None:
    user.options["token"] = "another"
    with pytest.raises(NotAuthorised):
        user("upload", make_file(5), rdm.target)


def test_what_is_not_there(user: User, rdm: FakeRDM, tmp_path: Path) -> None:
    for call in (("status",), ("delete",), ("abort",), ("read",)):
        with pytest.raises(NotFound):
            user(call[0], rdm.target, "missing")
