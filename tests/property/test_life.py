# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Any sequence of calls, faults and crashes leaves a file that is whole, or nothing.

An independent model of Invenio's versions says what the bucket's size and the head of each key have to be after each
step. ``HYPOTHESIS_PROFILE=soak`` looks for longer.
"""

import base64
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from invenio_db import db
from invenio_files_rest.models import Bucket, FileInstance, Location, ObjectVersion

from oarepo_s3.api import MultipartUpload
from oarepo_s3.errors import OARepoS3Error, StoreRefused, StoreRetryLater, StoreUnknownOutcome, StoreUploadGone
from oarepo_s3.testing import Blank, FakeStore
from oarepo_s3.testing.interference import OPERATIONS
from oarepo_s3.uploads.models import Upload, UploadEvent, UploadSession
from oarepo_s3.uploads.opening import OpenRequest
from oarepo_s3.uploads.states import ENDED, State
from tests.integration.uploads.conftest import MIB, Clock, RecordingOwner, World, create_tables, make_app

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
KEYS = st.sampled_from(["a", "b"])
SIZES = st.sampled_from([1, 5 * MIB, 12 * MIB])


def content_md5(size: int) -> str:
    return base64.b64encode(bytes.fromhex(Blank(size).etag)).decode()


class Crash(BaseException):
    """The process dies: nothing may catch it."""


# after=True is no lie with these two only: the others promise that nothing was done.
FAULTS = st.one_of(
    st.tuples(st.sampled_from([StoreRefused, StoreRetryLater, StoreUnknownOutcome, Crash]), st.just(False)),
    st.tuples(st.sampled_from([StoreUnknownOutcome, Crash]), st.just(True)),
)


@dataclass
class Version:
    """A version as the model sees it: ``counted`` in the bucket's size, ``marker`` before it was head."""

    id: uuid.UUID
    size: int
    pending: bool = False
    deletes: bool = False
    counted: bool = True
    marker: uuid.UUID | None = None


@dataclass
class Key:
    """The versions of a key, oldest first, and which is head."""

    versions: list[Version] = field(default_factory=list)
    head: uuid.UUID | None = None

    def find(self, version_id: uuid.UUID | None) -> Version | None:
        return next((version for version in self.versions if version.id == version_id), None)

    def readable(self) -> bool:
        head = self.find(self.head)
        return head is not None and not head.pending and not head.deletes

    def add(self, version_id: uuid.UUID, size: int) -> None:
        self.versions.append(Version(version_id, size))
        self.head = version_id

    def delete(self, marker_id: uuid.UUID) -> None:
        head = self.find(self.head)
        assert head is not None
        head.counted = False
        self.versions.append(Version(marker_id, 0, deletes=True))
        self.head = marker_id

    def open(self, version_id: uuid.UUID, size: int) -> None:
        pending = Version(version_id, size, pending=True)
        self.versions.append(pending)
        if not self.readable():
            pending.marker, self.head = self.head, version_id

    def complete(self, version_id: uuid.UUID) -> None:
        version = self.find(version_id)
        assert version is not None
        assert version.counted, "a file that was deleted while it was pending has come back"
        version.pending = False
        self.head = version_id

    def release(self, version_id: uuid.UUID) -> None:
        version = self.find(version_id)
        assert version is not None
        self.versions.remove(version)
        if self.head == version_id:
            newest = self.versions[-1].id if self.versions else None
            self.head = version.marker if self.find(version.marker) else newest


class Life(RuleBasedStateMachine):
    """Two keys of one bucket, one after another by many requests."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.reset_world()
        self.keys = {"a": Key(), "b": Key()}
        self.seen: dict[uuid.UUID, Upload] = {}
        self.urls: dict[uuid.UUID, datetime] = {}
        self.faulty = True

    def reset_world(self) -> None:
        world = self.world
        for model in (UploadEvent, UploadSession, ObjectVersion, FileInstance, Bucket):
            db.session.execute(sa.delete(model))
        db.session.expunge_all()
        world.bucket_id = Bucket.create().id
        db.session.commit()
        world.store = FakeStore(clock=world.clock)
        object.__setattr__(world.service.context, "store", world.store)

    # what may happen --------------------------------------------------------------------------------------------------

    def attempt(self, act: Callable[[], object]) -> None:
        """Do something that may be refused or die on the way."""
        with suppress(OARepoS3Error, Crash):
            act()
        db.session.rollback()

    def latest(self, key: str) -> Upload | None:
        with suppress(OARepoS3Error):
            return self.world.service.find(self.world.bucket_id, key)
        return None

    @rule(operation=st.sampled_from(OPERATIONS), fault=FAULTS, times=st.integers(1, 2))
    def inject(self, operation: str, fault: tuple[type[BaseException], bool], times: int) -> None:
        error, after = fault

        def interfere() -> None:
            if self.faulty:
                raise error("injected")

        self.world.store.on(operation, interfere, after=after, times=times)

    @rule()
    def lose_an_answer(self) -> None:
        self.world.store.lose_create_answer()

    @rule(key=KEYS, size=SIZES)
    def open(self, key: str, size: int) -> None:
        request = OpenRequest(self.world.bucket_id, key, size, part_size=5 * MIB)
        self.attempt(lambda: self.world.service.open(request))

    @rule(key=KEYS, size=st.sampled_from([0, 1, 12 * MIB]), batch=st.booleans())
    def open_put(self, key: str, size: int, batch: bool) -> None:
        request = OpenRequest(self.world.bucket_id, key, size, content_md5=content_md5(size))
        service = self.world.service
        self.attempt(lambda: service.batches.open([request]) if batch else service.open(request))

    @rule(key=KEYS)
    def put_file(self, key: str) -> None:
        """By a URL that is alive, perhaps longer than its upload; the store takes no other bytes by it."""
        upload, now = self.latest(key), self.world.clock.now
        if upload is None or not upload.is_one_put:
            return
        if upload.state is State.OPEN and now < upload.expires_at:
            self.urls[upload.id] = min(upload.expires_at, now + timedelta(hours=1))
        if now < self.urls.get(upload.id, now):
            self.world.store.put_object(upload.s3_bucket, upload.s3_key, Blank(upload.size))

    @rule(key=KEYS, size=SIZES, commits=st.booleans())
    def assign(self, key: str, size: int, commits: bool) -> None:
        """Open in a transaction of the caller's; without faults, as SQLite has no second connection to write to."""
        self.faulty = False
        mu = MultipartUpload(key, size=size, part_size=5 * MIB)

        def act() -> None:
            db.session.execute(sa.update(Location).values(default=True))
            with db.session.begin_nested():
                ObjectVersion.create(self.world.bucket_id, key, stream=mu)
            if commits:
                db.session.commit()

        self.attempt(act)
        self.faulty = True

    @rule(key=KEYS, number=st.integers(1, 3), off=st.sampled_from([0, 0, 0, 1, -1]), seed=st.sampled_from("xy"))
    def put(self, key: str, number: int, off: int, seed: str) -> None:
        upload = self.latest(key)
        if upload is None or number > upload.parts_count or upload.is_one_put:
            return
        size = max(upload.plan.size_of(number) + off, 0)
        with suppress(StoreUploadGone):
            self.world.store.put_part(
                upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", number, Blank(size, seed)
            )

    @rule(key=KEYS)
    def put_all(self, key: str) -> None:
        for number in (1, 2, 3):
            self.put(key, number, 0, "x")

    @rule(key=KEYS)
    def look(self, key: str) -> None:
        if upload := self.latest(key):
            self.attempt(lambda: self.world.service.parts(upload))
            self.attempt(lambda: self.world.service.sign(upload))

    @rule(key=KEYS)
    def complete(self, key: str) -> None:
        if upload := self.latest(key):
            self.attempt(lambda: self.world.service.complete(upload))

    @rule()
    def complete_both(self) -> None:
        uploads = [(upload, {}) for upload in map(self.latest, "ab") if upload]
        self.attempt(lambda: self.world.service.batches.complete(uploads))

    @rule(key=KEYS)
    def abort(self, key: str) -> None:
        if upload := self.latest(key):
            self.attempt(lambda: self.world.service.abort(upload))

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        marker = ObjectVersion.delete(self.world.bucket(), key)
        db.session.commit()
        if marker is not None:
            self.keys[key].delete(marker.version_id)

    @rule(key=KEYS)
    def add_file(self, key: str) -> None:
        self.keys[key].add(self.world.add_file(key, 7), 7)

    @rule(minutes=st.sampled_from([1, 6, 16, 61, 24 * 60]))
    def wait(self, minutes: int) -> None:
        self.world.clock.forward(minutes=minutes)

    @rule()
    def sweep(self) -> None:
        self.attempt(self.world.service.sweep)

    @rule()
    def reconcile(self) -> None:
        self.attempt(lambda: self.world.service.reconcile(s3_buckets=["files"]))

    # what always holds ------------------------------------------------------------------------------------------------

    def rows(self) -> list[Upload]:
        db.session.commit()
        return [Upload.of(row) for row in db.session.execute(sa.select(UploadSession.__table__))]

    def follow(self, rows: list[Upload]) -> None:
        """Let the model hear of uploads that have ended, then of one that is new."""
        for row in sorted(rows, key=lambda row: row.id not in self.seen):
            key, before = self.keys[row.key], self.seen.get(row.id)
            if before is None:
                key.open(row.version_id, row.size)
            if row.state in ENDED and (before is None or before.state not in ENDED):
                (key.complete if row.state is State.COMPLETED else key.release)(row.version_id)
            self.seen[row.id] = row

    @invariant()
    def model_and_database_agree(self) -> None:
        rows = self.rows()
        self.follow(rows)
        heads = dict(
            db.session.query(ObjectVersion.key, ObjectVersion.version_id).filter(ObjectVersion.is_head.is_(True)).all()
        )
        assert heads == {name: key.head for name, key in self.keys.items() if key.head is not None}
        stored = {version_id for (version_id,) in db.session.query(ObjectVersion.version_id)}
        assert stored == {version.id for key in self.keys.values() for version in key.versions}
        counted = [version.size for key in self.keys.values() for version in key.versions if version.counted]
        assert self.world.bucket().size == sum(counted)

    @invariant()
    def what_is_readable_is_whole(self) -> None:
        objects = self.world.store.objects()
        for row in self.rows():
            file = db.session.get(FileInstance, row.file_id, populate_existing=True)
            assert (file is not None) is (row.state is State.COMPLETED or row.state not in ENDED)
            assert file is None or file.readable is (row.state is State.COMPLETED)
            if row.state is State.COMPLETED:
                found = objects[row.s3_bucket, row.s3_key]
                assert (found.size, found.stamp) == (row.size, None if row.is_one_put else row.stamp)
                assert file.size == row.size
                expected = f"md5:{found.etag}" if row.is_one_put else f"multipart:{found.etag}-{5 * MIB}"
                assert file.checksum == expected

    @invariant()
    def nothing_at_the_store_is_unknown(self) -> None:
        known = {row.s3_key: row for row in self.rows()}
        for found in self.world.store.uploads():
            assert found.key in known
            assert found.stamp == known[found.key].stamp
        assert {key for _, key in self.world.store.objects()} <= set(known)

    @invariant()
    def one_active_upload_a_key(self) -> None:
        rows = self.rows()
        active = [row.slot for row in rows if row.state not in ENDED]
        assert len(active) == len(set(active))
        assert all((row.active_slot is None) is (row.state in ENDED) for row in rows)
        assert all(row.due_at is not None for row in rows if row.state not in ENDED)

    def teardown(self) -> None:
        """Nobody comes back: sweep and reconcile alone bring all to an end."""
        self.faulty = False
        for _ in range(2):
            self.world.clock.forward(days=3)
            self.world.service.reconcile()
            self.world.service.sweep()
        rows = self.rows()
        self.model_and_database_agree()
        self.what_is_readable_is_whole()
        assert all(row.state in ENDED for row in rows)
        assert self.world.store.uploads() == []
        completed = {(row.s3_bucket, row.s3_key) for row in rows if row.state is State.COMPLETED}
        assert set(self.world.store.objects()) == completed
        self.world.clock.forward(days=3)
        assert set(self.world.service.sweep().as_dict().values()) == {0}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """One application for all examples; each example begins with empty tables and another store."""
    clock, owner, store = Clock(), RecordingOwner(), FakeStore()
    app = make_app(f"sqlite:///{tmp_path / 'test.db'}", store, S3_MULTIPART_SWEEP_CONCURRENCY=2)
    with app.app_context():
        sa.event.listen(db.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        create_tables()
        db.session.add(Location(name="default", uri="s3://files", default=True))
        db.session.commit()
        monkeypatch.setattr("oarepo_s3.ext.load_owners", lambda: {"recorder": owner})
        service = app.extensions["oarepo-s3"].uploads
        object.__setattr__(service.context, "clock", clock)
        object.__setattr__(service.context, "sleep", lambda seconds: clock.forward(seconds=seconds))
        service.context.presigner._clock = clock
        yield World(app, store, service, clock, owner, uuid.uuid4())
        db.session.remove()
        db.engine.dispose()


@pytest.mark.timeout(3600 if SOAK else 300)
def test_life(world: World) -> None:
    machine = type("BoundLife", (Life,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=2000 if SOAK else 100,
            stateful_step_count=50 if SOAK else 30,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
