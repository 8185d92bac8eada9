# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What is left of an upload in the record: after opening, completion, abort, expiry, and when the record goes away."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion
from invenio_records.signals import after_record_update
from invenio_records_files.api import Record
from jsonschema.exceptions import ValidationError

from oarepo_s3.api import MultipartUpload
from oarepo_s3.records_files.entries import save
from oarepo_s3.records_files.owner import RecordsFilesOwner
from oarepo_s3.signals import after_upload_abort, after_upload_expire
from oarepo_s3.uploads.models import UploadSession
from tests.integration.records_app import MIB, RecordsWorld, counted_statements, file_path


def abort(world: RecordsWorld) -> None:
    answer = world.client().act("abort")
    assert (answer.status_code, answer.json["state"]) == (200, "aborted")


def expire(world: RecordsWorld) -> None:
    world.clock.forward(days=2)
    assert world.service.sweep().expired == 1


def delete(world: RecordsWorld) -> None:
    assert world.client()("DELETE", file_path("data.zip")).status_code == 204


def lose(world: RecordsWorld) -> None:
    """The store forgets the upload, and completion finds out."""
    upload = world.upload()
    world.store.abort_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    assert world.client().act("complete").json["code"] == "upload_lost"


ENDINGS = [abort, expire, delete, lose]


def facts(world: RecordsWorld) -> tuple[dict[str, Any], int, list[uuid.UUID]]:
    """The record, the size of its bucket, and the versions there are."""
    versions = [version.version_id for version in ObjectVersion.get_by_bucket(world.bucket(), versions=True)]
    return dict(world.record()), world.bucket().size, versions


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("with_list", [True, False])
def test_record_is_as_if_the_upload_never_was(world: RecordsWorld, end: Callable[..., None], with_list: bool):
    if with_list:
        world.add_file("other.txt", note="first")
    before = facts(world)
    world.client().open(name="Data")
    assert facts(world) != before
    end(world)
    assert facts(world) == before
    assert ("_files" in world.record()) is with_list
    assert world.store.uploads() == []
    assert db.session.query(FileInstance).filter_by(readable=False).count() == 0


def test_pending_file_is_listed_exactly(world: RecordsWorld):
    world.add_file("a.txt", note="a")
    before = world.files()
    world.client().open(name="Data")
    upload = world.upload()
    assert world.files() == [
        *before,
        {
            "bucket": str(upload.bucket_id),
            "checksum": None,
            "file_id": str(upload.file_id),
            "key": "data.zip",
            "name": "Data",
            "size": 12 * MIB,
            "version_id": str(upload.version_id),
        },
    ]


@pytest.mark.parametrize("end", [abort, expire, lose])
def test_previous_version_is_what_readers_get_until_completion_and_after_any_other_end(
    world: RecordsWorld, end: Callable[..., None]
):
    version_id = world.add_file(name="Old")
    world.add_file("z.txt")
    before = facts(world)
    owner, reader = world.client(), world.client("reader")
    owner.open(name="New")
    assert world.files() == before[0]["_files"]
    assert world.head("data.zip").version_id == version_id
    assert "/old/" in reader("GET", file_path("data.zip")).headers["Location"]
    end(world)
    assert facts(world) == before
    assert "/old/" in reader("GET", file_path("data.zip")).headers["Location"]


def test_completion_replaces_the_entry_where_it_stands(world: RecordsWorld):
    for key in ("a.txt", "data.zip", "z.txt"):
        world.add_file(key, name="Old", note="old")
    owner = world.client()
    owner.open(name="New")
    world.put_parts(world.upload())
    owner.act("complete")
    assert [entry["key"] for entry in world.files()] == ["a.txt", "data.zip", "z.txt"]
    entry, upload = world.files()[1], world.upload()
    assert (entry["name"], entry["version_id"]) == ("New", str(upload.version_id))
    assert "note" not in entry
    assert entry["checksum"] == world.head("data.zip").file.checksum
    location = owner("GET", file_path("data.zip")).headers["Location"]
    assert upload.s3_key in location


def test_list_shows_the_upload_to_those_who_may_write_only(world: RecordsWorld):
    world.add_file("data.zip", name="Old")
    owner, reader = world.client(), world.client("reader")
    owner.open(key="new.zip", name="New")
    owner.open(key="data.zip", name="Newer")
    assert reader("GET", "/draft/records/1/files/").json == world.files()
    old, new = owner("GET", "/draft/records/1/files/").json
    assert (old["name"], old["readable"], new["name"], new["readable"]) == ("Old", True, "New", False)
    summary = new["multipart_upload"]
    assert (summary["state"], summary["size"], summary["parts_count"]) == ("open", 12 * MIB, 3)
    assert not any("url" in name or "http" in str(value) for name, value in summary.items())
    for key in ("new.zip", "data.zip"):
        world.put_parts(world.upload(key))
        owner.act("complete", key)
    assert owner("GET", "/draft/records/1/files/").json == world.files()


def test_list_costs_the_same_at_any_number_of_files(world: RecordsWorld):
    counts = []
    for number in (1, 20):
        for index in range(number):
            world.add_file(f"{number}-{index}")
        with counted_statements() as statements:
            assert world.client()("GET", "/draft/records/1/files/").status_code == 200
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_ending_costs_the_same_at_any_number_of_files(world: RecordsWorld):
    counts = []
    for number in (0, 20):
        for index in range(number):
            world.add_file(f"{number}-{index}")
        world.client().open()
        world.put_parts(world.upload())
        with counted_statements() as statements:
            world.client().act("complete")
        counts.append(len(statements))
        delete(world)
    assert counts[0] == counts[1]


def test_abort_again_is_the_same_answer(world: RecordsWorld):
    owner = world.client()
    owner.open()
    answers = [owner.act("abort") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json
    assert owner.act("complete").json["code"] == "upload_aborted"
    assert owner.open().status_code == 201


def test_draft_that_is_not_valid_holds_up_nothing(world: RecordsWorld):
    schema = {"type": "object", "required": ["description"]}
    record = world.record()
    record["$schema"] = schema
    save(record)
    db.session.commit()
    with pytest.raises(ValidationError):
        world.record().commit()
    db.session.rollback()
    updated = []

    def note(sender: Any, record: Any) -> None:
        updated.append(len(record.get("_files", [])))

    with after_record_update.connected_to(note):
        assert world.client().open().status_code == 201
        expire(world)
    assert updated == [1, 0]
    assert world.record()["$schema"] == schema


@pytest.mark.parametrize("force", [False, True])
def test_uploads_go_with_the_record(world: RecordsWorld, force: bool):
    world.add_record("2")
    world.client().open()
    world.client().open(pid="2")
    upload = world.upload()
    record = world.record()
    record.delete(force=force)
    db.session.commit()
    assert world.service.find(upload.bucket_id, upload.key).expires_at == world.clock.now
    assert world.service.sweep().as_dict() == {"expired": 1, "aborted": 0, "rechecked": 0, "failed": 0}
    assert [left.key for left in world.store.uploads()] == [world.upload(pid="2").s3_key]
    assert world.service.find(upload.bucket_id, upload.key).state == "aborted"


def test_roll_back_of_the_deletion_keeps_the_upload(world: RecordsWorld):
    world.client().open()
    world.record().delete()
    db.session.rollback()
    assert world.service.sweep().expired == 0
    assert world.upload().expires_at > world.clock.now


def test_deletion_of_a_record_spares_the_bucket_that_its_metadata_claims(world: RecordsWorld):
    other = world.add_record("2")
    world.client().open(pid="2")
    record = world.record()
    record["_bucket"] = str(other)
    record.commit()
    record.delete(force=True)
    db.session.commit()
    assert world.upload(pid="2").expires_at > world.clock.now


def test_deleted_record_is_gone_for_every_request(world: RecordsWorld):
    world.client().open()
    world.record().delete()
    db.session.commit()
    answer = world.client().act("complete")
    assert (answer.status_code, answer.json["code"]) == (410, "gone")


def test_signals_of_the_ends_tell_the_record(world: RecordsWorld):
    told = []

    def note(sender: Any, record: Any, file: Any, upload: Any, **_: Any) -> None:
        told.append((record["title"], file, upload.key, record.get("_files")))

    with after_upload_abort.connected_to(note), after_upload_expire.connected_to(note):
        world.client().open(key="a")
        world.client().act("abort", "a")
        world.client().open(key="b")
        expire(world)
    assert told == [("record 1", None, "a", None), ("record 1", None, "b", None)]


class Dataset(Record):
    """A record class of an application."""


def test_record_class_of_the_endpoint_is_used(make_world: Callable[..., RecordsWorld]):
    name = f"{Dataset.__module__}:{Dataset.__qualname__}"
    endpoint = {
        "pid_type": "recid",
        "item_route": f'/draft/records/<pid(recid,record_class="{name}"):pid_value>',
        "read_permission_factory_imp": "tests.integration.records_app:may_read",
        "update_permission_factory_imp": "tests.integration.records_app:may_write",
    }
    world = make_world(RECORDS_REST_ENDPOINTS={"datasets": endpoint})
    classes = []

    def note(sender: Any, record: Any) -> None:
        classes.append(type(record).__name__)

    with after_record_update.connected_to(note):
        world.client().open()
        abort(world)
    assert classes == ["Dataset", "Dataset"]


def test_record_class_that_is_gone_holds_up_nothing(world: RecordsWorld):
    world.client().open()
    db.session.query(UploadSession).update({"owner_data": {"record_class": "no.such:Class"}})
    db.session.commit()
    expire(world)
    assert world.files() == []


@pytest.mark.parametrize("previous", [True, False])
def test_upload_that_was_assigned_keeps_what_the_caller_wrote(world: RecordsWorld, previous: bool):
    if previous:
        world.add_file()
    record = world.record()
    files = record.files
    files["data.zip"] = MultipartUpload(key="data.zip", size=6 * MIB)
    files["data.zip"]["mime_type"] = "application/zip"
    files.flush()
    record.commit()
    db.session.commit()
    upload = world.upload()
    world.put_parts(upload)
    assert world.client().act("complete").json["mime_type"] == "application/zip"
    (entry,) = world.files()
    assert (entry["mime_type"], entry["version_id"]) == ("application/zip", str(upload.version_id))
    assert entry["checksum"].startswith("multipart:")


def test_upload_that_was_assigned_leaves_nothing_when_it_expires(world: RecordsWorld):
    record = world.record()
    record.files["data.zip"] = MultipartUpload(key="data.zip", size=6 * MIB)
    record.files.flush()
    record.commit()
    db.session.commit()
    expire(world)
    assert (world.files(), world.bucket().size) == ([], 0)


def test_version_that_somebody_else_is_writing_is_listed_again(world: RecordsWorld):
    other = ObjectVersion.create(world.bucket(), "data.zip")
    other.set_location(f"s3://files/{uuid.uuid4()}", 3, None)
    other.file.readable = False
    db.session.commit()
    version_id = str(other.version_id)
    world.client().open()
    assert world.files()[0]["version_id"] != version_id
    abort(world)
    assert [(entry["version_id"], entry["size"]) for entry in world.files()] == [(version_id, 3)]


def test_without_invenio_records_files_there_is_nothing_to_do(world: RecordsWorld, monkeypatch: pytest.MonkeyPatch):
    world.client().open()
    before = facts(world)
    monkeypatch.setattr("oarepo_s3.records_files.owner.find_spec", lambda _: None)
    owner = RecordsFilesOwner()
    upload = world.upload()
    for step in (owner.opened, owner.completed):
        step(db.session, upload)
    owner.released(db.session, [upload])
    assert owner.subject(upload) is None
    assert facts(world) == before


def test_bucket_without_a_record_is_nobody_s(world: RecordsWorld):
    world.client().open()
    stray = replace(world.upload(), bucket_id=uuid.uuid4())
    before = facts(world)
    owner = RecordsFilesOwner()
    owner.completed(db.session, stray)
    owner.released(db.session, [stray])
    assert owner.subject(stray) is None
    assert facts(world) == before
