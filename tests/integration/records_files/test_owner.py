# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The owner adapter: record classes, assigned uploads, and records that go away."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from invenio_db import db
from invenio_files_rest.models import ObjectVersion
from invenio_records.api import Record as PlainRecord
from invenio_records.signals import after_record_delete, after_record_update
from invenio_records_files.api import Record

from oarepo_s3.api import MultipartUpload
from oarepo_s3.records_files import deletion
from oarepo_s3.records_files.owner import RecordsFilesOwner
from oarepo_s3.uploads.models import UploadSession
from tests.integration.records_app import MIB, RecordsWorld


def expire(world: RecordsWorld) -> None:
    world.clock.forward(days=2)
    assert world.service.sweep().expired == 1


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


def test_deletion_of_a_record_without_a_bucket_concerns_nobody(world: RecordsWorld):
    world.client().open()
    record = PlainRecord.create({"title": "no files"})
    record.delete(force=True)
    db.session.commit()
    assert world.upload().expires_at > world.clock.now


@pytest.mark.parametrize("installed", [True, False])
def test_application_without_our_paths_is_told_of_deletions(monkeypatch: pytest.MonkeyPatch, installed: bool):
    after_record_delete.disconnect(deletion.expire_uploads)
    monkeypatch.setattr(deletion, "find_spec", lambda _: installed or None)
    deletion.finalize_app(Flask("worker"))
    connected = deletion.expire_uploads in after_record_delete.receivers_for(None)
    deletion.connect()
    assert connected is installed


def test_deletion_in_an_application_without_uploads_concerns_nobody():
    app = Flask("other")
    with app.app_context():
        after_record_delete.send(app, record=PlainRecord({}))


def test_deleted_record_is_gone_for_every_request(world: RecordsWorld):
    world.client().open()
    world.record().delete()
    db.session.commit()
    answer = world.client().act("complete")
    assert (answer.status_code, answer.json["code"]) == (410, "gone")


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
        world.client().act("abort")
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
    world.client().act("abort")
    assert [(entry["version_id"], entry["size"]) for entry in world.files()] == [(version_id, 3)]


def test_without_invenio_records_files_there_is_nothing_to_do(world: RecordsWorld, monkeypatch: pytest.MonkeyPatch):
    world.client().open()
    before = dict(world.record())
    monkeypatch.setattr("oarepo_s3.records_files.owner.find_spec", lambda _: None)
    owner = RecordsFilesOwner()
    upload = world.upload()
    for step in (owner.opened, owner.completed, owner.released):
        step(db.session, [upload])
    assert owner.subject(upload) is None
    assert dict(world.record()) == before


def test_bucket_without_a_record_is_nobody_s(world: RecordsWorld):
    world.client().open()
    stray = replace(world.upload(), bucket_id=uuid.uuid4())
    before = dict(world.record())
    owner = RecordsFilesOwner()
    owner.completed(db.session, [stray])
    owner.released(db.session, [stray])
    assert owner.subject(stray) is None
    assert dict(world.record()) == before
