# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The owner adapter, and what becomes of drafts whose uploads are swept."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion

from oarepo_s3.records_resources import deletion
from oarepo_s3.records_resources.blueprint import create_blueprint_from_app
from oarepo_s3.records_resources.file_rows import file_models
from oarepo_s3.records_resources.owner import RecordsResourcesOwner
from oarepo_s3.uploads.opening import OpenRequest
from oarepo_s3.uploads.states import State
from tests.rdm import model

from .world import PART, SIZE, RepositoryWorld, entry, files_path


def sweep(world: RepositoryWorld) -> Any:
    world.clock.forward(days=2)
    return world.service.sweep()


def test_sweep_heals_the_draft(world: RepositoryWorld, pid: str) -> None:
    world.sent(pid, key="kept")
    world.act("POST", pid, "/commit", key="kept")
    uploads = [world.opened(pid, key=key) for key in ("one", "two")]
    draft = world.draft(pid)
    draft.files.default_preview = "one"
    draft.files.order = ["two", "kept", "one"]
    draft.commit()
    db.session.commit()
    assert sweep(world).expired == 2
    listed = world.client()("GET", files_path(pid)).json
    assert [one["key"] for one in listed["entries"]] == ["kept"]
    assert (listed["default_preview"], listed["order"]) == (None, ["kept"])
    assert world.bucket(pid).size == SIZE
    for upload in uploads:
        world.nothing_left(pid, upload)
    assert world.init(pid, entry("one")).status_code == 201


@pytest.mark.parametrize("said", [{"default_preview": "data.zip"}, {"order": ["data.zip"]}])
def test_sweep_takes_out_what_the_draft_says_of_the_file(world: RepositoryWorld, pid: str, said: Any) -> None:
    world.opened(pid)
    draft = world.draft(pid)
    for name, value in said.items():
        setattr(draft.files, name, value)
    draft.commit()
    db.session.commit()
    sweep(world)
    files = world.draft(pid).files
    assert (files.default_preview, files.order) == (None, [])


def test_sweep_leaves_what_the_draft_says_of_others(world: RepositoryWorld, pid: str) -> None:
    world.sent(pid, key="kept")
    world.act("POST", pid, "/commit", key="kept")
    world.opened(pid)
    draft = world.draft(pid)
    draft.files.default_preview = "kept"
    draft.commit()
    db.session.commit()
    before = world.draft(pid).revision_id
    sweep(world)
    assert world.draft(pid).files.default_preview == "kept"
    assert world.draft(pid).revision_id == before


def test_sweep_of_many_drafts_takes_few_statements(world: RepositoryWorld) -> None:
    drafts = [world.add_draft() for _ in range(6)]
    uploads = [(pid, world.opened(pid)) for pid in drafts]
    assert sweep(world).expired == 6
    for pid, upload in uploads:
        world.nothing_left(pid, upload)


def hooks_upload(world: RepositoryWorld, pid: str, *, readable: bool = False) -> Any:
    """An upload that the stock transfer has opened through the storage, and whose file it calls readable at once."""
    version = ObjectVersion.create(world.bucket(pid), "data.zip")
    file = FileInstance.create()
    version.set_file(file)
    uri = file.storage(default_location=version.bucket.location.uri).fileurl
    file.set_uri(uri, SIZE, None, readable=readable, writable=True)
    draft = model.RepositoryDraft.pid.resolve(pid, registered_only=False)
    draft.files.create("data.zip", obj=version, transfer={"type": "M", "parts": 3, "part_size": PART})
    request = OpenRequest(version.bucket_id, "data.zip", SIZE, part_size=PART)
    upload = world.service.open_inside(request, version, file, uri)
    version.bucket.size += SIZE
    db.session.commit()
    return upload


@pytest.fixture(params=[True, False], ids=["readable", "unreadable"])
def by_hooks(request: pytest.FixtureRequest, world: RepositoryWorld, pid: str) -> Any:
    world.alone = False  # the store is asked within the caller's transaction there
    upload = hooks_upload(world, pid, readable=request.param)
    world.alone = True
    return upload


def test_upload_of_the_stock_transfer_is_swept(world: RepositoryWorld, pid: str, by_hooks: Any) -> None:
    assert (by_hooks.owner, by_hooks.owner_data) == (None, {})
    assert sweep(world).expired == 1
    world.nothing_left(pid, by_hooks)
    assert world.init(pid).status_code == 201


def test_upload_of_the_stock_transfer_is_committed_by_ours(world: RepositoryWorld, pid: str, by_hooks: Any) -> None:
    assert len(world.act("GET", pid).json["links"]["parts"]) == 3
    world.put_parts(by_hooks)
    done = world.act("POST", pid, "/commit")
    assert (done.status_code, done.json["transfer"]) == (200, {"type": "L"})


def test_upload_without_a_file_record_is_none_of_ours(world: RepositoryWorld, pid: str, by_hooks: Any) -> None:
    db.session.execute(sa.text("DELETE FROM rdm_test_draft_files"))
    db.session.commit()
    world.put_parts(by_hooks)
    assert world.service.complete(by_hooks).state is State.COMPLETED


def test_subject(world: RepositoryWorld, pid: str) -> None:
    owner, upload = RecordsResourcesOwner(), world.opened(pid)
    found = owner.subject(upload)
    assert found is not None
    assert (found[0].key, found[1].pid.pid_value) == ("data.zip", pid)
    assert owner.subject(replace(upload, owner=None)) is None
    owner.catch_up(replace(upload, owner=None))
    world.client()("DELETE", f"/records/{pid}/draft")
    assert owner.subject(upload) is None


def test_nothing_where_the_library_is_not_used() -> None:
    app = Flask("bare")
    with app.app_context():
        assert file_models(None) == []


def test_nothing_where_the_library_is_not_installed(world: RepositoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[bool] = []
    monkeypatch.setattr(deletion, "connect", lambda: connected.append(True))
    deletion.finalize_app(world.app)
    assert connected == [True]
    monkeypatch.setattr(deletion, "find_spec", lambda name: None)
    monkeypatch.setattr("oarepo_s3.records_resources.blueprint.find_spec", lambda name: None)
    deletion.finalize_app(world.app)
    assert connected == [True]
    assert create_blueprint_from_app(world.app).deferred_functions == []


def test_applications_without_our_extension_delete_as_before(world: RepositoryWorld, pid: str) -> None:
    upload = world.opened(pid)
    extension = world.app.extensions.pop("oarepo-s3")
    world.draft(pid).files.delete("data.zip", remove_rf=True)
    db.session.query(model.DraftFileMetadata).delete()
    db.session.commit()
    world.app.extensions["oarepo-s3"] = extension
    assert world.current(upload).state is State.OPEN
    assert sweep(world).expired == 1
    world.nothing_left(pid, upload)


def test_prefix_may_be_that_of_another_list(world: RepositoryWorld) -> None:
    rules = {rule.rule for rule in world.app.url_map.iter_rules() if "oarepo_s3_records_resources" in rule.endpoint}
    media, files = "/records/<pid_value>/draft/media-files/<path:key>", "/records/<pid_value>/draft/files/<path:key>"
    assert rules == {f"{path}/multipart{end}" for path in (media, files) for end in ("", "/sign")}
    answer = world.client()("GET", f"/records/{world.add_draft()}/draft/media-files/x/multipart")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
