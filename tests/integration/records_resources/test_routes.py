# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What has arrived, and fresh URLs."""

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import ObjectVersion

from oarepo_s3.errors import StoreRetryLater
from tests.rdm import services

from .world import PART, SIZE, RepositoryWorld, entry

NOT_ALLOWED = [services.PREVIEWER, services.OTHER, None]


def test_state_and_parts(world: RepositoryWorld, pid: str) -> None:
    upload = world.opened(pid)
    world.put_parts(upload, 2)
    report = world.act("GET", pid, "/multipart").json
    assert report.pop("links")["self"].endswith("/data.zip/multipart?page=1")
    (part,) = report.pop("parts")
    assert (part["part"], part["size"]) == (2, PART)
    assert report == {
        "key": "data.zip",
        "id": str(upload.id),
        "state": "open",
        "expires_at": upload.expires_at.isoformat(),
        "plan": {"size": SIZE, "part_size": PART, "parts_count": 3},
        "parts_total": 1,
        "missing": [[1, 1], [3, 3]],
    }
    assert world.act("GET", pid, "/multipart?page=2").json["parts"] == []
    assert world.act("GET", pid, "/multipart?page=0").status_code == 400


def test_state_after_completion(world: RepositoryWorld, pid: str) -> None:
    world.sent(pid)
    world.act("POST", pid, "/commit")
    report = world.act("GET", pid, "/multipart").json
    assert (report["state"], report["missing"]) == ("completed", [])
    answer = world.act("POST", pid, "/multipart/sign", json={"parts": "1"})
    assert (answer.status_code, answer.json["code"]) == (409, "upload_completed")


def test_fresh_urls(world: RepositoryWorld, pid: str) -> None:
    world.opened(pid)
    answer = world.act("POST", pid, "/multipart/sign", json={"parts": "1,3"})
    assert [part["part"] for part in answer.json["parts"]] == [1, 3]
    md5 = "1B2M2Y8AsgTpgAmY7PhCfg=="
    signed = world.act("POST", pid, "/multipart/sign", json={"parts": [2], "content_md5": {"2": md5}}).json["parts"]
    assert "content-md5" in signed[0]["url"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"parts": "1-4"}, "invalid_part_number"),
        ({"parts": [0]}, "invalid_part_number"),
        ({"parts": "a"}, "invalid_part_list"),
        ({}, "bad_request"),
        ([1], "bad_request"),
    ],
)
def test_bad_requests(world: RepositoryWorld, pid: str, body: object, code: str) -> None:
    world.opened(pid)
    answer = world.act("POST", pid, "/multipart/sign", json=body)
    assert (answer.status_code, answer.json["code"]) == (400, code)


@pytest.mark.parametrize("user", NOT_ALLOWED)
def test_only_for_who_may_set_the_content(world: RepositoryWorld, pid: str, user: str | None) -> None:
    world.opened(pid)
    for method, path in (("GET", "/multipart"), ("POST", "/multipart/sign")):
        answer = world.act(method, pid, path, user=user, json={"parts": "1"})
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert [call.name for call in world.store.calls] == ["create_upload"]


def test_what_is_not_there(world: RepositoryWorld, pid: str) -> None:
    world.init(pid, {"key": "local"})
    without = world.client()("POST", "/records", json={"files": {"enabled": False}}).json["id"]
    for number, key, code in (
        (pid, "other", "file_not_found"),
        (without, "other", "file_not_found"),
        (pid, "local", "upload_not_found"),
        ("99999-99999", "other", "not_found"),
    ):
        answer = world.act("GET", number, "/multipart", key=key)
        assert (answer.status_code, answer.json["code"]) == (404, code)


def test_file_that_came_otherwise(world: RepositoryWorld, pid: str) -> None:
    version = ObjectVersion.create(world.bucket(pid), "local")
    version.set_location("s3://files/old", 7, "md5:0")
    world.draft(pid).files.create("local", obj=version)
    db.session.commit()
    answer = world.act("GET", pid, "/multipart", key="local")
    assert (answer.status_code, answer.json["code"]) == (404, "upload_not_found")


def test_record_that_is_published(world: RepositoryWorld, pid: str) -> None:
    world.sent(pid)
    world.act("POST", pid, "/commit")
    assert world.client()("POST", f"/records/{pid}/draft/actions/publish").status_code == 202
    answer = world.act("GET", pid, "/multipart")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_record_that_is_deleted(world: RepositoryWorld, pid: str) -> None:
    world.opened(pid)
    db.session.execute(sa.text("UPDATE pidstore_pid SET status = 'D' WHERE pid_value = :pid"), {"pid": pid})
    db.session.commit()
    answer = world.act("GET", pid, "/multipart")
    assert (answer.status_code, answer.json["code"]) == (410, "gone")


def test_wrong_method_and_store_in_trouble(world: RepositoryWorld, pid: str) -> None:
    world.opened(pid)
    assert world.act("DELETE", pid, "/multipart/sign").status_code in (404, 405)
    world.store.fail("list_parts", StoreRetryLater("busy"))
    answer = world.act("GET", pid, "/multipart")
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "store_retry_later", "5")
    assert entry("x")["key"] == "x"
