# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Which endpoints get which paths, and the entry points of oarepo-records-draft."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask, jsonify, request, url_for
from flask.views import MethodView
from invenio_db import db
from invenio_pidstore.models import PersistentIdentifier
from invenio_records_files.api import Record
from invenio_records_files.views import create_blueprint_from_app as create_records_files_blueprint
from invenio_records_rest.views import pass_record
from invenio_rest.errors import FieldError, RESTValidationError
from werkzeug.exceptions import HTTPException, ImATeapot, MethodNotAllowed

from oarepo_s3.errors import ConfigurationError, OARepoS3Error
from oarepo_s3.records_files import blueprint as blueprint_module
from oarepo_s3.records_files.blueprint import create_blueprint_from_app
from oarepo_s3.records_files.draft_hooks import multipart_actions, multipart_uploader
from oarepo_s3.rest.errors import answer_error, answer_http_error
from oarepo_s3.signals import before_upload_abort
from tests.integration.records_app import (
    ENDPOINTS,
    MIB,
    RecordsWorld,
    file_path,
    make_records_app,
    may_write,
)

PLAIN = {"pid_type": "plain", "item_route": "/plain/<pid(plain):pid_value>"}
OUR_PATHS = {
    "complete-multipart", "abort-multipart", "parts-multipart", "sign-multipart",
    "<string(length=43):upload_id>/<part_ids>/presigned", "<string(length=43):upload_id>/parts",
    "<string(length=43):upload_id>/complete", "<string(length=43):upload_id>/abort",
}  # fmt: skip


def rules(**settings: Any) -> dict[str, set[str]]:
    """Our rules with their methods."""
    app = make_records_app("sqlite://", **settings)
    ours = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(blueprint_module.NAME)]
    assert all(rule.merge_slashes is False for rule in ours)
    return {rule.rule: set(rule.methods or ()) - {"HEAD", "OPTIONS"} for rule in ours}


def below(path: str) -> str:
    """A path below the item route of the endpoint."""
    return f"{ENDPOINTS['recid']['item_route']}/{path}"


def test_every_endpoint_whose_records_have_files_gets_all_paths():
    found = rules(RECORDS_REST_ENDPOINTS=ENDPOINTS | {"plain": PLAIN})
    assert found[below("files/")] == {"GET", "POST"}
    assert found[below("files/<path:key>")] == {"GET", "PUT", "DELETE"}
    assert set(found) == {below("files/"), below("files/<path:key>")} | {
        below(f"files/<path:key>/{path}") for path in OUR_PATHS
    }


def test_the_list_needs_no_slash_at_its_end(world: RecordsWorld):
    owner, path = world.client(), file_path("").removesuffix("/")
    assert (owner("GET", path).status_code, owner("GET", f"{path}/").status_code) == (200, 200)
    opened = owner("POST", f"{path}?multipart=True", json={"key": "data.zip", "size": 12 * MIB})
    assert opened.status_code == 201
    assert opened.json["multipart_upload"]["complete_url"].endswith("/files/data.zip/complete-multipart")
    assert [entry["key"] for entry in owner("GET", path).json] == ["data.zip"]


def test_only_endpoints_of_the_setting_get_paths():
    chosen = {"recid": {"files_path": "/data/"}}
    found = rules(RECORDS_REST_ENDPOINTS=ENDPOINTS | {"plain": PLAIN}, S3_MULTIPART_RECORDS_FILES_ENDPOINTS=chosen)
    assert all(rule.startswith(below("data/")) for rule in found)
    assert len(found) == 10
    assert rules(S3_MULTIPART_RECORDS_FILES_ENDPOINTS={}) == {}


def test_endpoint_that_is_not_there_stops_the_start():
    with pytest.raises(ConfigurationError, match="S3_MULTIPART_RECORDS_FILES_ENDPOINTS.*nothing"):
        rules(S3_MULTIPART_RECORDS_FILES_ENDPOINTS={"nothing": {}})


@pytest.mark.parametrize("missing", ["invenio_records_files", "invenio_records_rest"])
def test_without_the_libraries_there_are_no_paths(monkeypatch: pytest.MonkeyPatch, missing: str):
    monkeypatch.setattr(blueprint_module, "find_spec", lambda name: None if name == missing else True)
    assert rules() == {}


def test_without_endpoints_there_are_no_paths():
    app = Flask("empty")
    assert create_blueprint_from_app(app).deferred_functions == []


SHARED = {"RECORDS_FILES_REST_ENDPOINTS": {"RECORDS_REST_ENDPOINTS": {"recid": "/files"}}}


def test_paths_of_invenio_records_files_are_left_to_it():
    found = rules(**SHARED)
    assert found[below("files/")] == {"POST"}
    assert below("files/<path:key>") not in found
    assert len(found) == 9
    assert rules(RECORDS_FILES_REST_ENDPOINTS={"RECORDS_REST_ENDPOINTS": {"recid": "/other"}}) == rules()


def test_upload_lives_its_life_beside_the_paths_of_invenio_records_files(make_world: Callable[..., RecordsWorld]):
    from invenio_records_rest.utils import allow_all

    world = make_world(**SHARED, FILES_REST_PERMISSION_FACTORY=allow_all)
    world.app.register_blueprint(create_records_files_blueprint(world.app))
    owner = world.client()
    assert owner.open(key="a//b").status_code == 201
    world.put_parts(world.upload("a//b"))
    assert owner.act("parts", "a//b").status_code == 200
    completed = owner.act("complete", "a//b")
    assert completed.status_code == 200
    assert completed.json["location"] == f"http://localhost{file_path('a//b')}"
    assert owner("GET", completed.json["location"]).status_code == 302


def test_errors_have_the_same_form_whatever_they_come_from(world: RecordsWorld):
    for path in ("/draft/records/77/files/", file_path("x"), file_path("x") + "/parts-multipart"):
        answer = world.client()("GET", path)
        assert answer.content_type == "application/json"
        assert (answer.json["status"], answer.status_code) == (404, 404)
        assert {"status", "message", "code"} <= set(answer.json)


def test_pid_that_was_redirected_leads_on(world: RecordsWorld):
    world.add_record("2")
    PersistentIdentifier.get("recid", "1").redirect(PersistentIdentifier.get("recid", "2"))
    db.session.commit()

    @world.app.get("/draft/records/<pid_value>", endpoint=f"{blueprint_module.NAME}.recid_item")
    def item(pid_value: str) -> str:
        return pid_value

    answer = world.client().act("parts")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/draft/records/2")


@pytest.mark.parametrize(
    ("error", "status", "code", "more"),
    [
        (RESTValidationError([FieldError("title", "Too long.")]), 400, "bad_request", {"field": "title"}),
        (MethodNotAllowed(["GET"]), 405, "method_not_allowed", None),
        (ImATeapot(), 418, "http_418", None),
    ],
)
def test_error_of_a_receiver_keeps_its_status(
    world: RecordsWorld, error: HTTPException, status: int, code: str, more: dict[str, str] | None
):
    def refuse(_: Any, **__: Any) -> None:
        raise error

    world.client().open()
    with before_upload_abort.connected_to(refuse):
        answer = world.client().act("abort")
    assert (answer.status_code, answer.json["status"], answer.json["code"]) == (status, status, code)
    assert answer.headers.get("Allow") == ("GET" if status == 405 else None)
    assert more is None or more.items() <= answer.json["errors"][0].items()


def test_failure_of_ours_shows_no_text(world: RecordsWorld, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("<Error>secret</Error>")

    world.client().open()
    monkeypatch.setattr(world.service, "parts", broken)
    world.app.config.update(PROPAGATE_EXCEPTIONS=False)
    answer = world.client().act("parts")
    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert "secret" not in answer.text


# the entry points of oarepo-records-draft -----------------------------------------------------------------------------


class DraftFiles(MethodView):
    """Creates files as oarepo-records-draft does: record locked, uploaders asked, metadata written, then the commit."""

    @pass_record
    def post(self, pid: Any, record: Record) -> Any:
        key = (request.get_json(silent=True) or request.form)["key"]
        files = record.files
        create_body = multipart_uploader(
            record=record, key=key, files=files, pid=pid, request=request, endpoint=None,
            resolver=lambda name, **values: url_for(
                f".{name.format(endpoint='draft')}", pid_value=pid.pid_value, _external=True, **values
            ),
        )  # fmt: skip
        if not create_body:
            return jsonify({"left to": "others"})
        files[key]["mime_type"] = "application/zip"
        files.flush()
        record.commit()
        body = create_body()
        db.session.commit()
        return jsonify(body), 201


class DraftFile(MethodView):
    """Only has to be there, as the address of the file."""

    @pass_record
    def get(self, pid: Any, record: Record, key: str) -> Any:
        return jsonify(record.files[key].dumps())


@pytest.fixture
def drafts(make_world: Callable[..., RecordsWorld]) -> RecordsWorld:
    """A world whose paths come from the blueprint of the drafts, not from ours."""
    world = make_world(S3_MULTIPART_RECORDS_FILES_ENDPOINTS={})
    blueprint = Blueprint("oarepo_records_draft", __name__)
    item = ENDPOINTS["recid"]["item_route"]
    blueprint.add_url_rule(f"{item}/files/", view_func=DraftFiles.as_view("draft_files"))
    blueprint.add_url_rule(f"{item}/files/<key>", view_func=DraftFile.as_view("draft_file"))
    actions = multipart_actions(
        code="draft", files={"put_file_factory": may_write_file}, rest_endpoint={}, extra={}, is_draft=True
    )
    for path, view in actions.items():
        blueprint.add_url_rule(f"{item}/{path}", view_func=view)
    world.app.register_blueprint(blueprint)
    world.app.register_error_handler(OARepoS3Error, answer_error)
    world.app.register_error_handler(HTTPException, answer_http_error)
    return world


def may_write_file(record: Any, key: str) -> Any:
    return may_write(record)


def test_draft_upload_lives_its_whole_life(drafts: RecordsWorld):
    owner = drafts.client()
    opened = owner.open()
    assert opened.status_code == 201
    session = opened.json["multipart_upload"]
    assert (opened.json["uploadId"], opened.json["key"]) == (session["upload_id"], "data.zip")
    assert opened.json["mime_type"] == "application/zip"
    assert opened.json["expiration"] == session["expires_at"]
    assert session["complete_url"].endswith("/draft/records/1/files/data.zip/complete-multipart")
    drafts.put_parts(drafts.upload(), 1, 2)
    assert owner("GET", session["parts_page_url"]).json["missing"] == [[3, 3]]
    assert len(owner("POST", session["sign_url"], json={"parts": "3"}).json["parts"]) == 1
    drafts.put_parts(drafts.upload(), 3)
    completed = owner("POST", session["complete_url"])
    assert completed.status_code == 200
    assert completed.json["location"] == "http://localhost/draft/records/1/files/data.zip"
    (entry,) = drafts.files()
    assert (entry["mime_type"], entry["checksum"]) == ("application/zip", completed.json["checksum"])


def test_draft_upload_is_opened_once(drafts: RecordsWorld):
    owner = drafts.client()
    first, again = owner.open(), owner.open(query="&parts=2")
    assert again.json["uploadId"] == first.json["uploadId"]
    assert [part["part"] for part in again.json["multipart_upload"]["parts"]] == [2]
    assert len(drafts.store.uploads()) == 1
    assert owner.open(size=13 * MIB).json["code"] == "upload_exists"


def test_draft_file_without_multipart_is_left_to_others(drafts: RecordsWorld):
    answer = drafts.client()("POST", "/draft/records/1/files/", data={"key": "a"})
    assert answer.json == {"left to": "others"}
    assert drafts.store.calls == []


def test_draft_request_that_cannot_be_opens_nothing(drafts: RecordsWorld):
    for fields, code in (
        ({"size": None}, "bad_request"),
        ({"key": "../../x"}, "invalid_key"),
        ({"key": "a/sign-multipart"}, "invalid_key"),
    ):
        assert drafts.client().open(**fields).json["code"] == code
    assert drafts.store.calls == []


def test_draft_actions_ask_for_their_permission(drafts: RecordsWorld):
    upload_id = drafts.client().open().json["uploadId"]
    for user, status in ((None, 401), ("reader", 403), ("owner", 200)):
        assert drafts.client(user).act("parts").status_code == status
        assert drafts.client(user)("GET", f"{file_path('data.zip')}/{upload_id}/parts").status_code == status


def test_draft_actions_without_a_factory_are_denied_to_everybody():
    with Flask("drafts").app_context():
        actions = multipart_actions("draft", {}, {}, {}, True)
    assert set(actions) == {f"files/<path:key>/{path}" for path in OUR_PATHS}
    endpoint = actions["files/<path:key>/complete-multipart"].view_class(**_arguments(actions)).endpoint
    assert endpoint.permissions.fallback("put")(record={}).can() is False


def _arguments(actions: dict[str, Any]) -> dict[str, Any]:
    closure = actions["files/<path:key>/complete-multipart"].__closure__
    return next(cell.cell_contents for cell in closure if isinstance(cell.cell_contents, dict))
