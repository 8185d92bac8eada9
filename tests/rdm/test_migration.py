# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Files that the stock transfer has begun or brought, when ours has taken its place; and the storage's hooks alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from invenio_db import db

from tests.integration.records_app import Requests

from .application import Choice, create_app
from .client import Depositor, entry
from .services import OWNER
from .world import SIZE, Repository, content_of

KEY = "data.bin"


@contextmanager
def application(repository: Repository, *, storage: Choice) -> Iterator[Flask]:
    """The repository with the stock transfer, in this process, on the same database and store."""
    settings = {name: value for name, value in repository.app.config.items() if name.startswith(("S3_", "SQLALCHEMY_"))}
    database_url = settings.pop("SQLALCHEMY_DATABASE_URI")
    app = create_app(database_url, transfers="stock", storage=storage, **settings)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def begin(app: Flask, pid: str) -> dict[str, Any]:
    """Begin an upload by the stock transfer; its links."""
    answer = Requests(app.test_client(), OWNER)("POST", f"/records/{pid}/draft/files", json=[entry(KEY, SIZE)])
    assert answer.status_code == 201, answer.get_data(as_text=True)
    links: dict[str, Any] = answer.json["entries"][0]["links"]
    return links


def test_file_pending_under_stock_is_deleted_and_begun_anew(repository: Repository, pid: str) -> None:
    with application(repository, storage="stock") as app:
        begin(app, pid)
    owner, content = repository.owner, content_of(KEY)
    shown = owner.read_file(pid, KEY)
    assert (shown.status, shown.body["status"]) == (200, "pending"), shown
    assert "parts" not in shown.body["links"]
    assert owner.list_files(pid).status == 200
    assert owner.state(pid, KEY).status == 404
    refused = owner.commit(pid, KEY)
    assert (refused.status, refused.body["code"]) == (404, "upload_not_found"), refused
    assert 400 <= owner.init(pid, entry(KEY, SIZE)).status < 500
    assert owner.delete_file(pid, KEY).status == 204
    repository.upload(pid, KEY, content)
    assert owner.read(pid, KEY).content == content
    assert owner.publish(pid).status == 202


@pytest.mark.parametrize("storage", ["stock", "ours"])
def test_file_that_stock_has_brought_stays_a_file(
    repository: Repository, pid: str, storage: Choice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With our storage below it, the stock transfer goes by the storage's hooks."""
    _send_no_tasks(monkeypatch)
    owner, content = repository.owner, content_of(KEY)
    with application(repository, storage=storage) as app:
        links = begin(app, pid)
        Depositor(owner.url, OWNER).put_parts(links, content)
        answer = Requests(app.test_client(), OWNER)("POST", f"/records/{pid}/draft/files/{KEY}/commit")
        assert answer.status_code == 200, answer.get_data(as_text=True)
    assert owner.read_file(pid, KEY).body["status"] == "completed"
    assert owner.commit(pid, KEY).status == 200
    assert owner.read(pid, KEY).content == content
    assert owner.publish(pid).status == 202
    assert repository.user(None).read_published(pid, KEY).content == content


def _send_no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads the messages of an application in this process."""
    monkeypatch.setattr("invenio_records_resources.services.uow.TaskOp.on_post_commit", lambda *_: None)
