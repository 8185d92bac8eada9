# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Who gets through to what: a row for each route and method, a column for each kind of user."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pytest

from oarepo_s3.records_files.blueprint import NAME
from tests.integration.records_app import MIB, RecordsWorld, file_path

from .conftest import CAPABILITY, MakeWorld, no_effect

USERS = (None, "other", "reader", "owner", "admin")
ALLOWED = {"read": ("reader", "owner", "admin"), "write": ("owner", "admin")}
FILES = "/files/"
FILE = "/files/<path:key>"
LEGACY = f"{FILE}/<string(length=43):upload_id>"
UNKNOWN_ID = "u" * 43


@dataclass(frozen=True)
class Row:
    """A route and a method.

    Attributes:
        needs: the permission.
        there: status for those who have it, with the file or upload there; ``missing``: without.
        state: what is there.
        arguments: of the request.
    """

    needs: Literal["read", "write"]
    there: int
    missing: int
    state: Literal["upload", "file"] = "upload"
    query: str = ""
    json: Any = None
    form: bool = False


OPENING = {"key": "data.zip", "size": 12 * MIB, "part_size": 5 * MIB}
ROWS: dict[tuple[str, str], Row] = {
    (FILES, "GET"): Row("read", 200, 200),
    (FILES, "POST"): Row("write", 201, 201, query="?multipart=True", json=OPENING),
    (FILES, "POST form"): Row("write", 201, 201, "file", form=True),
    (FILE, "GET"): Row("read", 302, 404, "file"),
    (FILE, "PUT"): Row("write", 201, 201, "file"),
    (FILE, "DELETE"): Row("write", 204, 404, "file"),
    (f"{FILE}/complete-multipart", "POST"): Row("write", 409, 404, json={}),
    (f"{FILE}/abort-multipart", "POST"): Row("write", 200, 404),
    (f"{FILE}/parts-multipart", "GET"): Row("write", 200, 404),
    (f"{FILE}/sign-multipart", "POST"): Row("write", 200, 404, json={"parts": [1]}),
    (f"{LEGACY}/<part_ids>/presigned", "GET"): Row("write", 200, 404),
    (f"{LEGACY}/parts", "GET"): Row("write", 200, 404),
    (f"{LEGACY}/complete", "POST"): Row("write", 409, 404, json={}),
    (f"{LEGACY}/abort", "DELETE"): Row("write", 200, 404),
}
"""Every route of the blueprint. Nothing has arrived of the uploads, so that completing one is a conflict."""

CASES = [pytest.param(route, user, id=f"{user or 'nobody'}: {route[1]} {route[0]}") for route in ROWS for user in USERS]


def routes(world: RecordsWorld) -> Iterator[tuple[str, str]]:
    """(path below the record, method) of everything that the blueprint serves."""
    for rule in world.app.url_map.iter_rules():
        if rule.endpoint.startswith(f"{NAME}."):
            path = rule.rule[rule.rule.index(">") + 1 :]
            yield from ((path, method) for method in rule.methods or () if method not in ("HEAD", "OPTIONS"))


def test_every_route_has_a_row(world: RecordsWorld):
    assert {(path, method.split()[0]) for path, method in ROWS} == set(routes(world))


def ask(world: RecordsWorld, route: tuple[str, str], user: str | None, pid: str = "1") -> Any:
    """Make the request of a row as it would be made for the file ``data.zip``."""
    path, method = route
    row, files = ROWS[route], world.bucket(pid).objects
    upload_id = world.upload(pid=pid).public_id if files and row.state == "upload" else UNKNOWN_ID
    for name, value in {
        FILE: file_path("data.zip", ""), "<string(length=43):upload_id>": upload_id, "<part_ids>": "1",
    }.items():  # fmt: skip
        path = path.replace(name, value.replace("/draft/records/", ""))
    address = f"/draft/records/{pid}{path}{row.query}"
    request = partial(world.client(user), method.split()[0], address)
    if row.form:
        return request(data={"key": "data.zip", "file": (io.BytesIO(b"content"), "any.txt")})
    return request(data=b"content") if method == "PUT" else request(json=row.json)


def prepare(world: RecordsWorld, row: Row, pid: str = "1") -> None:
    """Let the file or upload be there."""
    if row.state == "file":
        world.add_file(pid=pid)
    else:
        assert world.client().open(pid=pid).status_code == 201


@pytest.mark.usefixtures("plain_files")
@pytest.mark.parametrize(("route", "user"), CASES)
def test_access(world: RecordsWorld, route: tuple[str, str], user: str | None):
    row = ROWS[route]
    prepare(world, row)
    if user in ALLOWED[row.needs]:
        assert ask(world, route, user, "1").status_code == row.there
        assert ask(world, route, user, "2").status_code == row.missing
        return
    with no_effect(world):
        answers = [ask(world, route, user, pid) for pid in "12"]
    assert {answer.status_code for answer in answers} == {403 if user else 401}
    assert answers[0].data == answers[1].data  # with the file and without it
    assert [header for header in answers[0].headers if header[0] != "Date"] == [
        header for header in answers[1].headers if header[0] != "Date"
    ]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("route", [route for route in ROWS if route[0].startswith(LEGACY)], ids=" ".join)
def test_the_id_is_the_permission_for_its_four_paths(make_world: MakeWorld, route: tuple[str, str], user: str | None):
    world = make_world(**CAPABILITY)
    row = ROWS[route]
    prepare(world, row)
    with no_effect(world):
        refused = ask(world, route, user, "2")
    assert (refused.status_code, refused.json["code"]) == (404, "upload_not_found")
    assert ask(world, route, user, "1").status_code == row.there


OTHERS = [
    pytest.param(route, user, id=f"{user or 'nobody'}: {' '.join(reversed(route))}")
    for route, row in ROWS.items()
    for user in USERS
    if not route[0].startswith(LEGACY) and user not in ALLOWED[row.needs]
]


@pytest.mark.usefixtures("plain_files")
@pytest.mark.parametrize(("route", "user"), OTHERS)
def test_the_id_is_no_permission_for_other_paths(make_world: MakeWorld, route: tuple[str, str], user: str | None):
    world = make_world(**CAPABILITY)
    row = ROWS[route]
    prepare(world, row)
    with no_effect(world):
        answer = ask(world, route, user)
    assert answer.status_code == (403 if user else 401)


@pytest.mark.parametrize("user", [None, "other", "reader", "owner", "admin"])
def test_a_list_shows_uploads_to_those_who_may_write_only(world: RecordsWorld, user: str | None):
    world.client().open()
    upload = world.upload()
    answer = world.client(user)("GET", "/draft/records/1/files/")
    shown = upload.public_id in answer.text
    assert shown == (user in ALLOWED["write"])
    assert "X-Amz-Signature" not in answer.text
    assert (upload.s3_upload_id or "") not in answer.text
