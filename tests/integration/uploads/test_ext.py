# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The extension: defaults, what it builds, how often, and what it does not import."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from invenio_db import db
from invenio_files_rest.models import Bucket, FileInstance, Location, ObjectVersion
from invenio_files_rest.signals import file_uploaded

from oarepo_s3 import config, ext, signals
from oarepo_s3.announcing import SignalAnnouncer
from oarepo_s3.errors import InvalidPartNumber, UploadLost
from oarepo_s3.ext import OARepoS3
from oarepo_s3.proxies import current_s3, current_store, current_uploads
from oarepo_s3.store.client import S3Client
from oarepo_s3.testing import FakeStore
from oarepo_s3.uploads.opening import OpenRequest
from oarepo_s3.uploads.states import State

from .conftest import World, create_tables, make_app

OURS = [
    point
    for group in (
        "invenio_base.apps", "invenio_base.api_apps", "invenio_base.api_blueprints", "invenio_db.models",
        "invenio_db.alembic", "invenio_celery.tasks", "oarepo_s3.owners",
    )
    for point in entry_points(group=group)
    if point.value.startswith("oarepo_s3.") or point.value.startswith("oarepo_s3:")
]  # fmt: skip


class Owner:
    """An owner that knows no records."""


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return make_app(f"sqlite:///{tmp_path / 'test.db'}", FakeStore())


def test_defaults_are_set_and_those_of_the_application_kept(tmp_path: Path) -> None:
    app = make_app(f"sqlite:///{tmp_path / 'test.db'}", FakeStore(), S3_MULTIPART_SWEEP_BATCH=3)
    assert app.config["S3_MULTIPART_SWEEP_BATCH"] == 3
    assert app.config["S3_MULTIPART_URL_EXPIRATION"] == config.S3_MULTIPART_URL_EXPIRATION
    assert {name for name in dir(config) if name.startswith("S3_")} <= set(app.config)
    assert isinstance(app.extensions["oarepo-s3"], OARepoS3)


@pytest.mark.parametrize("point", OURS, ids=lambda point: f"{point.group}:{point.name}")
def test_entry_points_load(point: EntryPoint) -> None:
    if point.group == "invenio_db.alembic":  # names a folder, as invenio-db wants it
        assert list(files(point.module).joinpath(point.attr).glob("*_create_oarepo_s3_branch.py"))
    else:
        assert point.load() is not None


def test_all_entry_points_are_installed() -> None:
    assert len(OURS) >= 7


@pytest.mark.parametrize("client", ["oarepo_s3.testing.FakeStore", FakeStore])
def test_client_by_name_and_by_class(app: Flask, client: Any) -> None:
    app.config.update(S3_CLIENT=client, S3_ENDPOINT_URL="https://s3.example.org", S3_TENANT="tenant")
    with app.app_context():
        store: Any = current_s3.store
        assert isinstance(store, FakeStore)
        assert store.endpoint_url == "https://s3.example.org"
        assert store.wire_bucket("b") == current_s3.wire_bucket("b") == "tenant:b"


def test_default_client_takes_the_settings_of_invenio_s3(app: Flask) -> None:
    app.config.update(
        S3_CLIENT=config.S3_CLIENT,
        S3_ENDPOINT_URL="https://s3.example.org",
        S3_ACCESS_KEY_ID="key",
        S3_SECRET_ACCESS_KEY="s3cr3t",
        S3_REGION_NAME="eu-1",
    )
    with app.app_context():
        assert isinstance(current_store._get_current_object(), S3Client)  # type: ignore[attr-defined]
        assert (current_store.endpoint_url, current_store.region) == ("https://s3.example.org", "eu-1")
        assert current_store.credentials().access_key == "key"
        assert "s3cr3t" not in repr(current_store.credentials())


def test_things_are_built_once_and_again_after_a_fork(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[FakeStore] = []

    def build(**_: Any) -> FakeStore:
        built.append(FakeStore())
        return built[-1]

    app.config["S3_CLIENT"] = build
    with app.app_context():
        first, service = current_s3.store, current_s3.uploads
        assert current_s3.store is first
        assert current_s3.uploads is service
        assert service.context.store is first
    with app.app_context():
        assert current_s3.store is first
        assert len(built) == 1
        child = os.getpid() + 1
        monkeypatch.setattr(ext.os, "getpid", lambda: child)
        assert current_s3.uploads is not service
        assert current_s3.store is current_uploads.context.store is built[1]
        assert current_s3.presigner is current_uploads.context.presigner
        assert len(built) == 2


def test_each_application_has_things_of_its_own(tmp_path: Path) -> None:
    extension = OARepoS3()
    apps = [make_app(f"sqlite:///{tmp_path / name}", FakeStore()) for name in ("a.db", "b.db")]
    stores = []
    for app in apps:
        with app.app_context():
            stores.append(current_s3.store)
    assert stores[0] is not stores[1]
    assert not hasattr(extension, "app")


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({}, "https://s3.example.org/files/"),
        ({"S3_PUBLIC_ENDPOINT_URL": "https://public.example.org"}, "https://public.example.org/files/"),
        ({"S3_TENANT": "tenant"}, "https://s3.example.org/tenant%3Afiles/"),
        ({"S3_CONFIG_EXTRA": {"s3": {"addressing_style": "virtual"}}}, "https://files.s3.example.org/"),
    ],
    ids=["plain", "public", "tenant", "virtual"],
)
def test_urls_are_signed_for_what_clients_see(
    app: Flask, settings: dict[str, Any], start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ext, "load_owners", dict)
    app.config.update(
        {"S3_CLIENT": "oarepo_s3.testing.FakeStore", "S3_ENDPOINT_URL": "https://s3.example.org"} | settings
    )
    with app.app_context():
        create_tables()
        db.session.add(Location(name="default", uri="s3://files", default=True))
        bucket = Bucket.create()
        db.session.commit()
        upload = current_uploads.open(OpenRequest(bucket.id, "a b", 1)).upload
        (signed,) = current_uploads.sign(upload)
        assert signed.url.startswith(f"{start}{upload.s3_key}?")
        assert upload.s3_bucket == "files"
        version = db.session.get(ObjectVersion, upload.version_id)
        assert version.file.storage()._signed_url("a/b", "inline").startswith(f"{start}{upload.s3_key}?")
        db.session.remove()


def test_number_of_parts_that_can_be_signed_is_that_of_the_store(app: Flask) -> None:
    app.config["S3_MAXIMUM_NUMBER_OF_PARTS"] = 3
    with app.app_context():
        signer = current_s3.presigner.upload(s3_bucket="b", key="k", upload_id="u", expires_in=60)
        assert "partNumber=3" in signer.url(3)
        with pytest.raises(InvalidPartNumber):
            signer.url(4)


def test_owners_are_loaded_by_name(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name, f"{Owner.__module__}:Owner", ext.OWNERS_ENTRY_POINT) for name in ("one", "two")]
    monkeypatch.setattr(ext, "entry_points", lambda group: points if group == "oarepo_s3.owners" else [])
    monkeypatch.setitem(sys.modules, Owner.__module__, sys.modules[__name__])
    with app.app_context():
        owners = current_s3.owners(None)
        assert [type(owner).__name__ for owner in owners] == ["Owner", "Owner"]
        assert list(current_s3.owners("two")) == [owners[1]]
        assert current_s3.owners(None)[0] is owners[0]


def test_installed_owners_load(app: Flask) -> None:
    with app.app_context():
        assert set(ext.load_owners()) >= {"records_files"}


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("oarepo_s3", ["boto3", "botocore", "flask", "invenio_db", "oarepo_s3.ext"]),
        ("oarepo_s3.api", ["boto3", "flask", "invenio_db"]),
        ("oarepo_s3.errors, oarepo_s3.config, oarepo_s3.signals", ["boto3", "flask", "sqlalchemy"]),
        ("oarepo_s3.store.presign, oarepo_s3.store.contract", ["boto3", "botocore", "flask"]),
    ],
)
def test_import_brings_no_more_than_it_needs(imported: str, absent: list[str]) -> None:
    code = f"import sys, {imported}; print(*(name for name in {absent!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert found.stdout.split() == []


# announcing -----------------------------------------------------------------------------------------------------------


class Heard:
    """Receivers of all signals; any of them may be told to raise."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self.raises: dict[str, Exception] = {}

    def receiver(self, name: str) -> Any:
        def receive(sender: Any, **facts: Any) -> None:
            self.calls.append((name, sender, facts))
            if name in self.raises:
                raise self.raises[name]

        return receive

    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]


NAMES = [f"{when}_upload_{what}" for when in ("before", "after") for what in ("complete", "abort")]
NAMES.append("after_upload_expire")


@pytest.fixture
def heard() -> Any:
    listening = Heard()
    pairs = [(getattr(signals, name), listening.receiver(name)) for name in NAMES]
    pairs.append((file_uploaded, listening.receiver("file_uploaded")))
    for signal, receiver in pairs:
        signal.connect(receiver)
    yield listening
    for signal, receiver in pairs:
        signal.disconnect(receiver)


def test_completion_is_announced(world: World, heard: Heard) -> None:
    upload = world.open()
    world.put(upload)
    done = world.service.complete(upload, {1: world.service.parts(upload).parts[0].etag})
    assert heard.names() == ["before_upload_complete", "after_upload_complete", "file_uploaded"]
    before, after, uploaded = (facts for _, _, facts in heard.calls)
    assert set(before) == {"record", "file", "upload", "multipart_config", "parts"}
    assert (before["upload"].state, list(before["parts"])) == (State.OPEN, [1])
    assert (after["upload"], after["record"]) == (done, None)
    assert heard.calls[1][1] is after["file"]
    assert after["file"].version_id == uploaded["obj"].version_id == upload.version_id
    assert after["multipart_config"]["upload_id"] == upload.public_id
    assert not any("http" in str(value) for value in after["multipart_config"].values())
    assert heard.calls[2][1] is world.app


def test_abort_and_expiry_are_announced(world: World, heard: Heard) -> None:
    world.service.abort(world.open("aborted"))
    assert heard.names() == ["before_upload_abort", "after_upload_abort"]
    assert heard.calls[1][1] is None  # the file is gone
    world.open("expired")
    world.clock.forward(days=1)
    world.service.sweep()
    assert heard.names()[2:] == ["after_upload_expire"]


@pytest.mark.parametrize("step", ["complete", "abort"])
def test_receiver_may_forbid(world: World, heard: Heard, step: str) -> None:
    upload = world.open()
    world.put(upload)
    heard.raises[f"before_upload_{step}"] = PermissionError("not today")
    with pytest.raises(PermissionError, match="not today"):
        getattr(world.service, step)(upload)
    assert world.current(upload).state is State.OPEN
    assert len(world.store.uploads()) == 1


@pytest.mark.parametrize("name", ["after_upload_complete", "file_uploaded"])
def test_receiver_that_fails_afterwards_changes_nothing(
    world: World, heard: Heard, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    upload = world.open()
    world.put(upload)
    heard.raises[name] = RuntimeError("mail server is away")
    assert world.service.complete(upload).state is State.COMPLETED
    assert "a receiver of after_upload_complete failed" in caplog.text
    assert (file := world.file(upload)) is not None
    assert file.readable


def test_what_a_receiver_writes_is_kept(world: World, heard: Heard) -> None:
    upload = world.open()
    world.put(upload)

    def write(_: Any, **facts: Any) -> None:
        db.session.get(Bucket, world.bucket_id).quota_size = 2**40

    with signals.before_upload_complete.connected_to(write):
        world.service.complete(upload)
    assert world.bucket().quota_size == 2**40


def test_lost_upload_is_not_announced_as_complete(world: World, heard: Heard) -> None:
    upload = world.open()
    world.store.abort_upload(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "")
    with pytest.raises(UploadLost):
        world.service.complete(upload)
    assert heard.names() == ["before_upload_complete"]


def test_record_is_told_by_the_owner_that_knows_it(world: World, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.owner, "subject", lambda upload: ("the file", "the record"))
    world.service.abort(world.open())
    assert [(sender, facts["record"], facts["file"]) for _, sender, facts in heard.calls] == [
        ("the file", "the record", "the file")
    ] * 2


def test_nobody_listens(world: World) -> None:
    upload = world.open()
    announcer = SignalAnnouncer(lambda name: [], lambda: world.app)
    for event in ("complete", "abort"):
        announcer.before(event, upload)
        announcer.after(event, upload)
    announcer.after("expire", upload)
    assert world.current(upload) == upload
    assert db.session.get(FileInstance, upload.file_id) is not None
