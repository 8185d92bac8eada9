# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Who gets through to what: a row for each route of a draft's files, a column for each kind of user."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.stack.client import Answer

from . import services
from .client import Depositor, entry, entry_of
from .invariants import check
from .world import PART, SIZE, Repository, content_of

KEY = "data.bin"
USERS = (None, services.OTHER, services.PREVIEWER, services.OWNER, services.ADMIN)
READERS = {services.PREVIEWER, services.OWNER, services.ADMIN}
WRITERS = {services.OWNER, services.ADMIN}
REFUSED = {401, 403}

Call = Callable[[Depositor, str], Answer]


@dataclass(frozen=True)
class Row:
    """A call about a pending upload of which nothing has arrived.

    Attributes:
        who: those who get through.
        status: what they are answered.
    """

    call: Call
    who: set[str]
    status: int
    urls: bool = False
    """Whether writers are given part URLs."""


def _put(path: str) -> Call:
    headers = {"Content-Type": "application/octet-stream"}
    return lambda user, pid: user.ask("PUT", f"{user.file_url(pid, KEY)}{path}", body=b"x" * PART, headers=headers)


ROWS: dict[str, Row] = {
    "GET files": Row(lambda user, pid: user.list_files(pid), READERS, 200),
    "POST files": Row(lambda user, pid: user.init(pid, entry(KEY, SIZE)), WRITERS, 201, urls=True),
    "DELETE files": Row(lambda user, pid: user.delete_all(pid), WRITERS, 204),
    "GET file": Row(lambda user, pid: user.read_file(pid, KEY), READERS, 200, urls=True),
    "PUT file": Row(lambda user, pid: user.ask("PUT", user.file_url(pid, KEY), json={}), WRITERS, 200, urls=True),
    "DELETE file": Row(lambda user, pid: user.delete_file(pid, KEY), WRITERS, 204),
    "GET content": Row(lambda user, pid: user.read(pid, KEY), set(), 0),
    "PUT content": Row(_put("/content"), WRITERS, 400),
    "PUT part": Row(_put("/content/1"), WRITERS, 400),
    "POST commit": Row(lambda user, pid: user.commit(pid, KEY), WRITERS, 409),
    "GET multipart": Row(lambda user, pid: user.state(pid, KEY), WRITERS, 200),
    "POST sign": Row(lambda user, pid: user.sign(pid, KEY, "1"), WRITERS, 200, urls=True),
    "GET draft": Row(lambda user, pid: user.ask("GET", user.draft_url(pid)), READERS, 200),
    "POST publish": Row(lambda user, pid: user.publish(pid), WRITERS, 400),
}


@pytest.mark.parametrize("user", USERS, ids=lambda user: user or "nobody")
@pytest.mark.parametrize("name", ROWS)
def test_who_gets_through(repository: Repository, pid: str, name: str, user: str | None) -> None:
    row = ROWS[name]
    links = entry_of(repository.owner.init(pid, entry(KEY, SIZE)), KEY)["links"]
    answer = row.call(repository.user(user), pid)
    if user not in row.who:
        assert answer.status in REFUSED, answer
    elif name in ("PUT content", "PUT part"):
        assert 400 <= answer.status < 500, answer
        assert answer.status not in REFUSED, answer
    else:
        assert answer.status == row.status, answer
    shown = b"X-Amz-Signature" in answer.content
    assert shown == (row.urls and user in WRITERS), answer
    if user not in row.who:
        repository.owner.put_parts(links, content_of(KEY))
        assert repository.owner.commit(pid, KEY).status == 200, "somebody who may not has changed something"
        check(repository, pid, {KEY: content_of(KEY)}, settled=False)


@pytest.mark.parametrize("user", USERS, ids=lambda user: user or "nobody")
def test_who_sees_that_there_is_an_upload(repository: Repository, pid: str, user: str | None) -> None:
    repository.owner.init(pid, entry(KEY, SIZE))
    answer = repository.user(user).read_file(pid, KEY)
    if user in READERS:
        links: dict[str, Any] = answer.body["links"]
        assert ({"parts", "multipart", "sign"} <= set(links)) == (user in WRITERS)
        assert user in WRITERS or not {"parts", "multipart", "sign"} & set(links)
        assert "content" not in links


@pytest.mark.parametrize("user", USERS, ids=lambda user: user or "nobody")
def test_no_route_knows_the_pending_file_of_another_draft(repository: Repository, pid: str, user: str | None) -> None:
    repository.owner.init(pid, entry(KEY, SIZE))
    other_pid = repository.add_record()
    asked = repository.user(user)
    for answer in (asked.state(other_pid, KEY), asked.sign(other_pid, KEY, "1"), asked.commit(other_pid, KEY)):
        assert answer.status in ({404} if user in READERS else REFUSED | {404}), answer


def test_who_may_read_the_content_of_a_completed_file(repository: Repository, pid: str) -> None:
    repository.upload(pid, KEY, content_of(KEY))
    statuses = {user: repository.user(user).read(pid, KEY).status for user in USERS}
    assert {user for user, status in statuses.items() if status == 200} == READERS
    assert {status for user, status in statuses.items() if user not in READERS} <= REFUSED
    for user in USERS:
        assert b"X-Amz" not in repository.user(user).read_file(pid, KEY).content


def test_published_record_has_no_upload_routes(repository: Repository, pid: str) -> None:
    repository.upload(pid, KEY, content_of(KEY))
    assert repository.owner.publish(pid).status == 202
    url = f"{repository.owner.url}/records/{pid}/files/{KEY}"
    for method, path in (("GET", "/multipart"), ("POST", "/multipart/sign"), ("POST", "/commit"), ("DELETE", "")):
        assert repository.owner.ask(method, url + path).status in (404, 405)
