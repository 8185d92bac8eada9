# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Completing an upload over REST."""

from collections.abc import Callable
from typing import Any

import pytest
from invenio_db import db
from invenio_files_rest.signals import file_downloaded, file_uploaded

from oarepo_s3.errors import StoreRetryLater, StoreUnknownOutcome
from oarepo_s3.signals import after_upload_complete, before_upload_complete
from tests.integration.records_app import MIB, RecordsWorld, file_path


def test_complete_answers_the_file_and_again_the_same(world: RecordsWorld, etags: dict[int, str]):
    owner = world.client()
    answers = [owner.act("complete"), owner.act("complete"), owner.act("complete", json={})]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json == answers[1].json == answers[2].json
    answer = answers[0].json
    assert answer["location"] == "http://localhost/draft/records/1/files/data.zip"
    assert answer["checksum"].startswith("multipart:")
    assert answer["checksum"].endswith(f"-3-{5 * MIB}")
    assert (answer["key"], answer["size"], answer["name"]) == ("data.zip", 12 * MIB, "Data")
    assert [call.name for call in world.store.calls].count("complete_upload") == 1
    (entry,) = world.files()
    assert entry == {name: answer[name] for name in entry}
    assert "multipart_upload" not in answer


BODIES: dict[str, Callable[[dict[int, str]], Any]] = {
    "PartNum": lambda etags: [{"ETag": etag, "PartNum": number} for number, etag in etags.items()],
    "PartNumber": lambda etags: [{"ETag": etag, "PartNumber": number} for number, etag in etags.items()],
    "part_number": lambda etags: [{"etag": etag, "part_number": number} for number, etag in etags.items()],
    "part": lambda etags: [{"etag": etag, "part": number} for number, etag in etags.items()],
    "quoted": lambda etags: [{"ETag": f'"{etag}"', "PartNum": number} for number, etag in etags.items()],
    "number as text": lambda etags: [{"ETag": etag, "PartNum": str(number)} for number, etag in etags.items()],
    "extra fields": lambda etags: [{"ETag": e, "PartNum": n, "Size": 1, "x": [None]} for n, e in etags.items()],
    "out of order": lambda etags: [{"ETag": etags[number], "PartNum": number} for number in (3, 1, 2)],
    "twice the same": lambda etags: [{"ETag": etags[number], "PartNum": number} for number in (1, 2, 2, 3)],
    "only some": lambda etags: [{"ETag": etags[2], "PartNum": 2}],
    "empty": lambda etags: [],
    "null": lambda etags: None,
}


@pytest.mark.parametrize("form", BODIES)
def test_list_of_parts_may_look_like(world: RecordsWorld, etags: dict[int, str], form: str):
    answer = world.client().act("complete", json={"parts": BODIES[form](etags)})
    assert (answer.status_code, answer.json.get("size")) == (200, 12 * MIB)


@pytest.mark.parametrize(
    ("parts", "code", "field"),
    [
        ("all", "bad_request", "parts"),
        ({}, "bad_request", "parts"),
        ([1], "bad_request", "parts.0.PartNumber"),
        ([{"ETag": "a"}], "bad_request", "parts.0.PartNumber"),
        ([{"ETag": "a", "PartNum": True}], "bad_request", "parts.0.PartNumber"),
        ([{"ETag": "a", "PartNum": 1.0}], "bad_request", "parts.0.PartNumber"),
        ([{"ETag": "a", "PartNum": 1}, {"PartNum": 2}], "bad_request", "parts.1.ETag"),
        ([{"ETag": 5, "PartNum": 1}], "bad_request", "parts.0.ETag"),
        ([{"ETag": '""', "PartNum": 1}], "bad_request", "parts.0.ETag"),
        ([{"ETag": "a", "PartNum": 0}], "invalid_part_number", None),
        ([{"ETag": "a", "PartNum": -1}], "invalid_part_number", None),
        ([{"ETag": "a", "PartNum": 1}, {"ETag": "b", "PartNum": 1}], "invalid_part_list", None),
        ([{"ETag": "a", "PartNum": 1}] * 10_001, "invalid_part_list", None),
    ],
)
def test_list_of_parts_that_cannot_be_read_is_refused(
    world: RecordsWorld, etags: dict[int, str], parts: Any, code: str, field: str | None
):
    answer = world.client().act("complete", json={"parts": parts})
    assert (answer.status_code, answer.json["code"]) == (400, code)
    if field:
        assert field in [error["field"] for error in answer.json["errors"]]
    assert world.upload().state == "open"


@pytest.mark.parametrize("body", ["[]", '"x"', "5", "{"])
def test_body_that_is_no_object_is_refused(world: RecordsWorld, etags: dict[int, str], body: str):
    answer = world.client().act("complete", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")


def test_missing_parts_are_listed_and_can_be_sent_later(world: RecordsWorld):
    owner = world.client()
    owner.open()
    world.put_parts(world.upload(), 2)
    answer = owner.act("complete")
    assert (answer.status_code, answer.json["code"]) == (409, "parts_mismatch")
    assert answer.json["missing"] == [[1, 1], [3, 3]]
    assert world.head("data.zip").file.readable is False
    world.put_parts(world.upload(), 1, 3)
    assert owner.act("complete").status_code == 200


def test_sizes_that_do_not_match_are_listed(world: RecordsWorld):
    owner = world.client()
    owner.open()
    world.put_parts(world.upload())
    world.put_part(world.upload(), 3, 1)
    answer = owner.act("complete")
    assert (answer.status_code, answer.json["code"]) == (409, "parts_mismatch")
    assert answer.json["wrong"] == [{"part": 3, "problem": "size", "expected": 2 * MIB, "found": 1}]


@pytest.mark.parametrize("number", [1, 99])
def test_part_of_somebody_else_in_the_list_is_a_conflict(world: RecordsWorld, etags: dict[int, str], number: int):
    answer = world.client().act("complete", json={"parts": [{"ETag": "0" * 32, "PartNum": number}]})
    assert (answer.status_code, answer.json["code"]) == (409, "parts_mismatch")
    assert [wrong["part"] for wrong in answer.json["wrong"]] == [number]
    assert world.upload().state == "open"


def test_declared_checksum_is_compared(world: RecordsWorld):
    owner = world.client()
    owner.open(checksum=f"multipart:{'0' * 32}-3-{5 * MIB}")
    world.put_parts(world.upload())
    answer = owner.act("complete")
    assert (answer.status_code, answer.json["code"]) == (409, "parts_mismatch")
    assert answer.json["wrong"][0]["problem"] == "checksum"


@pytest.mark.parametrize("action", ["complete", "abort", "parts", "sign"])
def test_key_without_an_upload_is_unknown_even_if_another_record_has_one(world: RecordsWorld, action: str):
    world.add_record("2")
    world.client().open(pid="2")
    answer = world.client().act(action, json={"parts": [1]} if action == "sign" else None)
    assert (answer.status_code, answer.json["code"]) == (404, "upload_not_found")
    assert world.upload(pid="2").state == "open"


def test_unknown_record_is_unknown(world: RecordsWorld):
    answer = world.client().act("complete", pid="77")
    assert (answer.status_code, answer.json["code"], answer.json["status"]) == (404, "not_found", 404)


def test_expired_upload_is_gone_before_and_after_the_sweep(world: RecordsWorld, etags: dict[int, str]):
    owner = world.client()
    world.clock.forward(days=2)
    for _ in range(2):
        for action in ("complete", "sign"):
            answer = owner.act(action, json={"parts": [1]} if action == "sign" else {})
            assert (answer.status_code, answer.json["code"]) == (410, "upload_expired")
        world.service.sweep()
    assert owner.act("parts").json["state"] == "aborted"
    assert owner.act("abort").status_code == 200


def test_completed_upload_can_neither_be_aborted_nor_signed(world: RecordsWorld, etags: dict[int, str]):
    owner = world.client()
    owner.act("complete")
    for action in ("abort", "sign"):
        answer = owner.act(action, json={"parts": [1]} if action == "sign" else None)
        assert (answer.status_code, answer.json["code"]) == (409, "upload_completed")
    assert owner.act("parts").json["state"] == "completed"
    assert world.head("data.zip").file.readable


def test_unknown_outcome_at_the_store_is_settled_by_the_next_call(world: RecordsWorld, etags: dict[int, str]):
    world.store.fail("complete_upload", StoreUnknownOutcome("no answer"), after=True)
    world.store.fail("head_object", StoreRetryLater("busy"))
    owner = world.client()
    first = owner.act("complete")
    assert first.status_code == 503
    assert int(first.headers["Retry-After"]) > 0
    world.clock.forward(minutes=10)
    assert owner.act("complete").status_code == 200
    assert world.head("data.zip").file.readable


def test_pending_file_cannot_be_downloaded(world: RecordsWorld, etags: dict[int, str]):
    owner = world.client()
    answer = owner("GET", file_path("data.zip"))
    assert (answer.status_code, answer.json["code"]) == (404, "file_not_found")
    owner.act("complete")
    assert owner("GET", file_path("data.zip")).status_code == 302


def test_signals_tell_file_record_and_upload(world: RecordsWorld, etags: dict[int, str]):
    told: list[tuple[Any, ...]] = []

    def before(sender: Any, record: Any, file: Any, upload: Any, multipart_config: Any, parts: Any) -> None:
        told.append(("before", sender is file, record["title"], file.key, multipart_config["size"], parts))

    def after(sender: Any, record: Any, file: Any, **_: Any) -> None:
        told.append(("after", sender is file, record["title"], file.obj.file.readable, file["name"]))

    def uploaded(sender: Any, obj: Any) -> None:
        told.append(("uploaded", sender.name, obj.key))

    with (
        before_upload_complete.connected_to(before),
        after_upload_complete.connected_to(after),
        file_uploaded.connected_to(uploaded),
    ):
        world.client().act("complete", json={"parts": [{"ETag": etags[1], "PartNum": 1}]})
    assert told == [
        ("before", True, "record 1", "data.zip", 12 * MIB, {1: etags[1]}),
        ("after", True, "record 1", True, "Data"),
        ("uploaded", "records", "data.zip"),
    ]


def test_receiver_may_forbid_completion(world: RecordsWorld, etags: dict[int, str]):
    from oarepo_s3.errors import Forbidden

    def forbid(sender: Any, **_: Any) -> None:
        raise Forbidden("Not before the embargo ends.")

    with before_upload_complete.connected_to(forbid):
        answer = world.client().act("complete")
    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert world.upload().state == "open"


def test_download_sends_its_signal_and_heeds_the_options(make_world: Callable[..., RecordsWorld]):
    def open_access(record: Any, obj: Any, key: str) -> bool:
        return key != "data.zip"

    options = {"recid": {"restricted": open_access, "as_attachment": True}}
    world = make_world(S3_MULTIPART_RECORDS_FILES_ENDPOINTS=options)
    owner = world.client()
    owner.open(key="a.txt")
    world.put_parts(world.upload("a.txt"))
    owner.act("complete", "a.txt")
    told = []

    def downloaded(sender: Any, obj: Any) -> None:
        told.append((sender.name, obj.key))

    with file_downloaded.connected_to(downloaded):
        answer = owner("GET", file_path("a.txt"))
    db.session.commit()
    assert told == [("records", "a.txt")]
    assert answer.headers["Content-Disposition"] == "attachment; filename=a.txt"
    assert answer.headers["Cache-Control"] == "no-cache"
