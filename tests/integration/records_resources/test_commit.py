# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The commit: what it refuses, what repetitions, races and faults do, and what follows it."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from invenio_db import db
from invenio_records_resources.services import FileServiceConfig
from invenio_records_resources.services.files.components import (
    FileContentComponent,
    FileMetadataComponent,
    FileMultipartContentComponent,
)
from kombu.exceptions import OperationalError

from oarepo_s3.errors import StoreRetryLater, StoreUnknownOutcome
from oarepo_s3.records_resources.processing import FileProcessorComponent
from oarepo_s3.signals import after_upload_complete
from oarepo_s3.uploads.models import UploadSession
from oarepo_s3.uploads.states import State

from .world import MIB, PART, SIZE, RepositoryWorld, entry, entry_of, files_path

TASKS = "invenio_records_resources.tasks.extract_file_metadata.apply_async"
OURS = [FileMetadataComponent, FileContentComponent, FileMultipartContentComponent, FileProcessorComponent]


class Killed(BaseException):
    """Stands for the death of the process: nothing catches it."""


@pytest.fixture
def sent_tasks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The tasks for extraction that were sent."""
    sent: list[Any] = []
    monkeypatch.setattr(TASKS, lambda args, kwargs, **_: sent.append(args))
    return sent


def use(world: RepositoryWorld, monkeypatch: pytest.MonkeyPatch, components: list[Any]) -> None:
    """Let the service of the drafts' files have these components."""
    service = world.app.extensions["invenio-records-resources"].registry.get("draft-files")
    monkeypatch.setattr(service.config, "components", components)


def no_broker(*_: Any, **__: Any) -> None:
    raise OperationalError("connection refused")


# refusals -------------------------------------------------------------------------------------------------------------


def test_missing_parts_are_told(world: RepositoryWorld, pid: str, sent_tasks: list[Any]) -> None:
    upload = world.opened(pid)
    world.put_parts(upload, 2)
    answer = world.act("POST", pid, "/commit")
    assert (answer.status_code, answer.json["code"]) == (409, "parts_mismatch")
    assert answer.json["missing"] == [[1, 1], [3, 3]]
    assert sent_tasks == []
    world.put_parts(upload, 1, 3)
    assert world.act("POST", pid, "/commit").status_code == 200
    assert sent_tasks == [("draft-files", pid, "data.zip")]


def test_expired_upload_cannot_be_committed(world: RepositoryWorld, pid: str) -> None:
    world.sent(pid)
    world.clock.forward(days=2)
    answer = world.act("POST", pid, "/commit")
    assert (answer.status_code, answer.json["code"]) == (410, "upload_expired")
    world.service.sweep()
    assert world.act("POST", pid, "/commit").status_code == 404
    assert world.client()("GET", files_path(pid)).json["entries"] == []


def test_lost_upload_leaves_nothing(world: RepositoryWorld, pid: str) -> None:
    upload = world.sent(pid)
    world.store.abort_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    answer = world.act("POST", pid, "/commit")
    assert (answer.status_code, answer.json["code"]) == (410, "upload_lost")
    assert (world.rows(), world.bucket(pid).size) == ([], 0)
    assert world.init(pid).status_code == 201


def test_content_cannot_be_put_otherwise(world: RepositoryWorld, pid: str) -> None:
    upload = world.sent(pid)
    before = (world.rows(), world.versions(), world.instances(), world.bucket(pid).size)
    stream = {"data": b"x", "headers": {"Content-Type": "application/octet-stream"}}
    for path in ("/content", "/content/1"):
        answer = world.act("PUT", pid, path, **stream)
        assert (answer.status_code, answer.json["code"]) == (409, "upload_exists")
    assert (world.rows(), world.versions(), world.instances(), world.bucket(pid).size) == before
    assert world.current(upload).state is State.OPEN
    assert world.act("GET", pid, "/content").status_code in (400, 403)
    assert world.act("POST", pid, "/commit").status_code == 200


def test_draft_with_a_pending_file_is_not_published(world: RepositoryWorld, pid: str) -> None:
    world.sent(pid)
    publish = f"/records/{pid}/draft/actions/publish"
    refused = world.client()("POST", publish)
    assert refused.status_code == 400
    assert "not completed" in refused.text
    world.act("POST", pid, "/commit")
    assert world.client()("POST", publish).status_code == 202
    listed = world.client()("GET", f"/records/{pid}/files").json
    assert [(one["key"], one["size"]) for one in listed["entries"]] == [("data.zip", SIZE)]


def test_pending_file_stays_out_of_the_published_record(world: RepositoryWorld, pid: str) -> None:
    world.sent(pid)
    world.act("POST", pid, "/commit")
    world.client()("POST", f"/records/{pid}/draft/actions/publish")
    world.client()("POST", f"/records/{pid}/draft")
    world.set_bucket(pid, locked=False)
    world.opened(pid, key="second")
    assert world.client()("POST", f"/records/{pid}/draft/actions/publish").status_code == 400
    version = world.client()("POST", f"/records/{pid}/versions").json["id"]
    imported = world.client()("POST", f"/records/{version}/draft/actions/files-import")
    assert [one["key"] for one in imported.json["entries"]] == ["data.zip"]
    assert world.client()("DELETE", f"/records/{pid}/draft").status_code == 204
    assert world.store.uploads() == []
    assert world.sizes_hold()


# repetitions and races ------------------------------------------------------------------------------------------------


def test_many_commits_have_one_answer(world: RepositoryWorld, pid: str) -> None:
    world.alone = False
    object.__setattr__(world.service.context, "sleep", lambda seconds: time.sleep(0.01))
    world.sent(pid)
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(world.act("POST", pid, "/commit"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 6
    told = {(answer.json["checksum"], answer.json["status"], answer.json["transfer"]["type"]) for answer in answers}
    assert [(status, transfer) for _, status, transfer in told] == [("completed", "L")]
    assert [call.name for call in world.store.calls].count("complete_upload") == 1
    assert world.bucket(pid).size == SIZE


def test_commit_waits_for_another_one(world: RepositoryWorld, pid: str) -> None:
    world.sent(pid)
    answers: list[Any] = []
    world.store.on("complete_upload", lambda: answers.append(world.act("POST", pid, "/commit")))
    assert world.act("POST", pid, "/commit").status_code == 200
    assert (answers[0].status_code, answers[0].json["code"]) == (409, "upload_busy")


@pytest.mark.parametrize(
    ("operation", "after"), [("complete_upload", False), ("complete_upload", True), ("head_object", True)]
)
def test_death_is_mended_by_the_next_commit(world: RepositoryWorld, pid: str, operation: str, after: bool) -> None:
    world.sent(pid)
    die(world, operation, after)
    with pytest.raises(Killed):
        world.act("POST", pid, "/commit")
    assert world.act("GET", pid).json["status"] == "pending"
    world.clock.forward(seconds=301)
    done = world.act("POST", pid, "/commit")
    assert (done.status_code, done.json["status"], done.json["transfer"]) == (200, "completed", {"type": "L"})
    assert world.sizes_hold()


@pytest.mark.parametrize("after", [False, True])
def test_death_is_mended_by_reconciling(world: RepositoryWorld, pid: str, after: bool) -> None:
    world.sent(pid)
    die(world, "complete_upload", after)
    with pytest.raises(Killed):
        world.act("POST", pid, "/commit")
    world.clock.forward(seconds=301)
    report = world.service.reconcile()
    assert (report.completed, report.reopened) == ((1, 0) if after else (0, 1))
    pending = world.act("GET", pid).json
    assert pending["status"] == ("completed" if after else "pending")
    assert pending["transfer"]["type"] == ("L" if after else "M")
    assert world.act("POST", pid, "/commit").status_code == 200


def die(world: RepositoryWorld, operation: str, after: bool) -> None:
    def kill() -> None:
        raise Killed

    world.store.on(operation, kill, after=after)


@pytest.mark.parametrize("error", [StoreRetryLater("busy"), StoreUnknownOutcome("cut")])
def test_store_in_trouble(world: RepositoryWorld, pid: str, error: Any, sent_tasks: list[Any]) -> None:
    world.sent(pid)
    world.store.fail("complete_upload", error)
    answer = world.act("POST", pid, "/commit")
    assert (answer.status_code, answer.json["code"]) == (503, error.code)
    assert answer.headers["Retry-After"]
    assert sent_tasks == []
    world.clock.forward(seconds=301)
    assert world.act("POST", pid, "/commit").status_code == 200
    assert len(sent_tasks) == 1


# what follows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ours", [True, False], ids=["our component", "stock component"])
def test_task_is_caught_up_when_the_broker_is_back(
    world: RepositoryWorld, pid: str, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(world, monkeypatch, OURS if ours else FileServiceConfig.components)
    world.sent(pid)
    with monkeypatch.context() as broken:
        broken.setattr(TASKS, no_broker)
        if ours:
            assert world.act("POST", pid, "/commit").status_code == 200
        else:
            with pytest.raises(OperationalError):
                world.act("POST", pid, "/commit")
        assert world.act("GET", pid).json["status"] == "completed"
        world.service.sweep()
        report = world.service.reconcile()
        assert (report.caught_up, report.failed) == (0, 1)
    sent: list[Any] = []
    monkeypatch.setattr(TASKS, lambda args=(), kwargs=None, **_: sent.append(tuple(args)))
    assert world.service.reconcile(dry_run=True).caught_up == 0
    assert world.service.reconcile().caught_up == 1
    assert world.service.reconcile().caught_up == 0
    assert sent == [("draft-files", pid, "data.zip")]


def test_our_component_sends_the_task(
    world: RepositoryWorld, pid: str, sent_tasks: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(world, monkeypatch, OURS)
    world.sent(pid)
    assert world.act("POST", pid, "/commit").status_code == 200
    assert sent_tasks == [("draft-files", pid, "data.zip")]


def test_no_broker_is_an_error_for_other_files(
    world: RepositoryWorld, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(world, monkeypatch, OURS)
    world.sent(pid)
    world.act("POST", pid, "/commit")
    db.session.query(UploadSession).delete()
    db.session.commit()
    monkeypatch.setattr(TASKS, no_broker)
    with pytest.raises(OperationalError):
        world.act("POST", pid, "/commit")


@pytest.mark.parametrize("rate", [10**6, None])
def test_a_file_may_be_read_back_for_its_md5(
    make_world: Callable[..., RepositoryWorld], rate: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(S3_MULTIPART_RDM_RECOMPUTE_RATE=rate)
    sent: list[str] = []
    monkeypatch.setattr("oarepo_s3.reading_back.replace_composite_checksum.delay", sent.append)
    pid = world.add_draft()
    upload = world.sent(pid)
    assert world.act("POST", pid, "/commit").status_code == 200
    assert sent == ([str(upload.file_id)] if rate else [])


def test_no_broker_for_reading_back_is_made_up_for_later(
    make_world: Callable[..., RepositoryWorld], monkeypatch: pytest.MonkeyPatch, sent_tasks: list[Any]
) -> None:
    world = make_world(S3_MULTIPART_RDM_RECOMPUTE_RATE=10**6)
    pid = world.add_draft()
    upload = world.sent(pid)
    task = "oarepo_s3.reading_back.replace_composite_checksum.delay"
    monkeypatch.setattr(task, no_broker)
    assert world.act("POST", pid, "/commit").status_code == 200
    sent: list[str] = []
    monkeypatch.setattr(task, sent.append)
    assert world.service.reconcile().caught_up == 1
    assert sent == [str(upload.file_id)]


def test_receivers_hear_of_file_and_record(world: RepositoryWorld, pid: str) -> None:
    heard: list[Any] = []

    def hear(sender: Any, record: Any, **_: Any) -> None:
        heard.append((sender.key, sender.transfer.transfer_type, record.pid.pid_value))

    world.sent(pid)
    with after_upload_complete.connected_to(hear):
        world.act("POST", pid, "/commit")
    assert heard == [("data.zip", "L", pid)]
    assert entry_of(world.client()("GET", files_path(pid)))["size"] == 12 * MIB
    assert entry(part_size=PART)["transfer"]["parts"] == 3
