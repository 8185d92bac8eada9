# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What is left of an upload in the record: after opening, completion, abort, expiry, and when the record goes away."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion
from invenio_records.signals import after_record_update
from jsonschema.exceptions import ValidationError

from oarepo_s3.errors import StoreRetryLater, StoreUnknownOutcome
from oarepo_s3.records_files.entries import save
from oarepo_s3.signals import after_upload_abort, after_upload_expire
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


def test_delete_settles_a_completion_that_was_interrupted_and_deletes_its_file(world: RecordsWorld):
    owner = world.client()
    owner.open()
    world.put_parts(world.upload())
    world.store.fail("complete_upload", StoreUnknownOutcome("no answer"), after=True)
    world.store.fail("head_object", StoreRetryLater("busy"))
    assert owner.act("complete").status_code == 503
    assert owner("DELETE", file_path("data.zip")).status_code == 409
    world.clock.forward(minutes=10)
    assert owner("DELETE", file_path("data.zip")).status_code == 204
    assert (world.files(), world.bucket().size) == ([], 0)
    assert world.upload().state == "completed"
    assert owner("GET", file_path("data.zip")).status_code == 404


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
