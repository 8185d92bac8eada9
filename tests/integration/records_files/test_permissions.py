# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Who may do what over REST, and that a forged request may not."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.records_app import (
    MIB,
    Permission,
    RecordsWorld,
    Requests,
    file_path,
    may_read,
    may_write,
    records_world,
)

FILES = "/draft/records/1/files/"
FILE = file_path("data.zip")
BODY = {"key": "data.zip", "size": 12 * MIB, "part_size": 5 * MIB}

READS: dict[str, Callable[[Requests, str], Any]] = {
    "list": lambda client, _: client("GET", FILES),
    "download": lambda client, _: client("GET", FILE),
}
WRITES: dict[str, Callable[[Requests, str], Any]] = {
    "open": lambda client, _: client("POST", f"{FILES}?multipart=True", json=BODY),
    "open without fields": lambda client, _: client("POST", f"{FILES}?multipart=True"),
    "post": lambda client, _: client("POST", FILES, data={"key": "data.zip"}),
    "put": lambda client, _: client("PUT", FILE, data=b"x"),
    "parts": lambda client, _: client.act("parts"),
    "sign": lambda client, _: client.act("sign", json={"parts": [1]}),
    "complete": lambda client, _: client.act("complete"),
    "abort": lambda client, _: client.act("abort"),
    "1.4 presigned": lambda client, upload_id: client("GET", f"{FILE}/{upload_id}/1/presigned"),
    "1.4 parts": lambda client, upload_id: client("GET", f"{FILE}/{upload_id}/parts"),
    "1.4 complete": lambda client, upload_id: client("POST", f"{FILE}/{upload_id}/complete", json={}),
    "1.4 abort": lambda client, upload_id: client("DELETE", f"{FILE}/{upload_id}/abort"),
    "delete": lambda client, _: client("DELETE", FILE),
}
OWNERS = {
    "list": 200, "download": 404, "open": 201, "open without fields": 400, "post": 400, "put": 409, "parts": 200,
    "sign": 200, "complete": 409, "abort": 200, "1.4 presigned": 200, "1.4 parts": 200, "1.4 complete": 409,
    "1.4 abort": 200, "delete": 204,
}  # fmt: skip


def expected(user: str | None, call: str) -> int:
    """Status of a call by a user, while an upload is pending."""
    if user == "owner" or (user == "reader" and call in READS):
        return OWNERS[call]
    return 401 if user is None else 403


@pytest.fixture
def pending(world: RecordsWorld) -> RecordsWorld:
    """A world with an upload that is pending."""
    world.client().open()
    return world


@pytest.mark.parametrize("call", [*READS, *WRITES])
@pytest.mark.parametrize("user", [None, "reader", "other", "owner"])
def test_every_call_asks_for_its_permission(pending: RecordsWorld, user: str | None, call: str):
    upload = pending.upload()
    answer = (READS | WRITES)[call](pending.client(user), upload.public_id)
    status = expected(user, call)
    assert answer.status_code == status
    if status >= 400:
        assert answer.json["status"] == status
        assert answer.json["code"]
    if status in (401, 403):
        assert set(answer.json) == {"status", "message", "code"}
        assert answer.json["code"] == {401: "unauthorized", 403: "forbidden"}[status]
        assert pending.upload().state == "open"
        assert len(pending.store.uploads()) == 1


@pytest.mark.parametrize("call", [*READS, *WRITES])
def test_refusal_tells_nothing_of_the_file(world: RecordsWorld, call: str):
    """The answer without an upload, file and bucket that takes any is the answer with them."""
    other = world.client("other")
    without = (READS | WRITES)[call](other, "u" * 43)
    world.client().open()
    world.set_bucket(locked=True)
    answer = (READS | WRITES)[call](other, world.upload().public_id)
    assert (answer.status_code, answer.data) == (without.status_code, without.data)


def test_permission_is_asked_before_a_body_is_read(world: RecordsWorld):
    answer = world.client(None)("POST", f"{FILES}?multipart=True", data="{", content_type="application/json")
    assert answer.status_code == 401


class OnlyOpenKeys:
    """Everybody may use keys that begin with ``open``; None stands for the list of all files."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def can(self) -> bool:
        return self._key is None or self._key.startswith("open")


def by_key(record: Any, key: str | None) -> OnlyOpenKeys:
    return OnlyOpenKeys(key)


def test_factories_of_the_options_get_record_and_key(make_world: Callable[..., RecordsWorld]):
    name = f"{by_key.__module__}:by_key"
    options = {"put_file_factory": name, "get_file_factory": by_key, "delete_file_factory": Permission("janitor")}
    world = make_world(S3_MULTIPART_RECORDS_FILES_ENDPOINTS={"recid": options})
    anybody = world.client(None)
    assert anybody.open(key="open.zip").status_code == 201
    assert anybody.open(key="other.zip").status_code == 401
    assert anybody("POST", FILES, data={"key": "other.zip"}).status_code == 401
    assert anybody.act("complete", "other.zip").status_code == 401
    world.add_file("other.zip")
    assert [entry["key"] for entry in anybody("GET", FILES).json] == ["open.zip"]
    assert anybody("GET", file_path("other.zip")).status_code == 401
    assert world.client("other")("DELETE", file_path("open.zip")).status_code == 403
    assert world.client("janitor")("DELETE", file_path("open.zip")).status_code == 204


@pytest.mark.parametrize(("default", "status"), [(None, 200), (may_read, 200), (may_write, 403)])
def test_defaults_of_records_rest_count_where_the_endpoint_says_nothing(
    make_world: Callable[..., RecordsWorld], default: Any, status: int
):
    route = '/draft/records/<pid(recid,record_class="invenio_records_files.api:Record"):pid_value>'
    endpoints = {"recid": {"pid_type": "recid", "item_route": route}}
    world = make_world(RECORDS_REST_ENDPOINTS=endpoints, RECORDS_REST_DEFAULT_READ_PERMISSION_FACTORY=default)
    assert world.client("reader")("GET", FILES).status_code == status
    assert world.client("owner").open().status_code == 403  # the default of invenio-records-rest denies updates


def test_default_of_records_rest_finds_the_search_class(make_world: Callable[..., RecordsWorld]):
    class Search:
        def __init__(self, index: str) -> None:
            self.index = index

        def get_record(self, record_id: str) -> "Search":
            return self

        def count(self) -> int:
            return int(self.index == "records")

    route = '/draft/records/<pid(recid,record_class="invenio_records_files.api:Record"):pid_value>'
    endpoint = {"pid_type": "recid", "item_route": route, "search_class": Search, "search_index": "records"}
    world = make_world(RECORDS_REST_ENDPOINTS={"recid": endpoint})
    assert world.client(None)("GET", FILES).status_code == 200


# forged requests ------------------------------------------------------------------------------------------------------

FORGED = [call for call in WRITES if call not in ("parts", "1.4 presigned", "1.4 parts")]


def with_cookie(world: RecordsWorld) -> Requests:
    """The owner's browser, with a cookie, as a page of somebody else makes it ask."""
    client = world.client()
    client.http.set_cookie("session", "of the owner")
    return client


@pytest.fixture
def protected(make_world: Callable[..., RecordsWorld]) -> RecordsWorld:
    """A world that checks for forged requests; the check is one object a process, so it is left unused afterwards."""
    world = make_world(REST_CSRF_ENABLED=True)
    world.client().open()
    return world


@pytest.mark.parametrize("call", FORGED)
def test_forged_request_is_refused(protected: RecordsWorld, call: str):
    answer = WRITES[call](with_cookie(protected), protected.upload().public_id)
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")
    assert "CSRF" in answer.json["message"]
    assert protected.upload().state == "open"


def test_request_with_its_token_is_served(protected: RecordsWorld):
    client = with_cookie(protected)
    client.act("complete")  # refused, but it brings the cookie
    token = client.http.get_cookie("csrftoken").value
    from invenio_rest.csrf import _decode_csrf

    with protected.app.test_request_context():
        submitted = _decode_csrf(token)
    assert submitted
    answer = client.act("abort", headers={"X-CSRFToken": token})
    assert answer.status_code == 200


@pytest.mark.parametrize("call", ["1.4 complete", "1.4 abort"])
def test_id_as_capability_needs_no_token_as_no_cookie_counts(tmp_path: Any, call: str):
    from tests.integration.records_app import Clock

    settings = {"REST_CSRF_ENABLED": True, "S3_MULTIPART_UPLOAD_ID_AS_CAPABILITY": True}
    with records_world(f"sqlite:///{tmp_path / 'test.db'}", Clock(), **settings) as world:
        world.add_record()
        world.client().open()
        answer = WRITES[call](with_cookie(world), world.upload().public_id)
        assert answer.status_code == OWNERS[call]
        assert WRITES["abort"](with_cookie(world), "").status_code == 400
