# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What holds after every operation, whatever went wrong in it; and what holds once time has passed."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from invenio_db import db
from invenio_files_rest.models import FileInstance, ObjectVersion

from oarepo_s3.uploads.models import Upload, UploadEvent, UploadSession
from oarepo_s3.uploads.states import ENDED, TRANSITIONS, State

from .backends import Backend

Parts = Mapping[int, tuple[int, str]]


@dataclass
class RecordLedger:
    """What is known of a record by what was done to it.

    Attributes:
        sent: number -> (size, ETag) of the parts that were put, by upload.
        heads: version that readers get, by key; missing where there is none.
        uncounted: versions that were head when their key was deleted.
    """

    pid: str
    bucket_id: uuid.UUID
    deleted: bool = False
    sent: dict[uuid.UUID, dict[int, tuple[int, str]]] = field(default_factory=dict)
    heads: dict[str, uuid.UUID] = field(default_factory=dict)
    uncounted: set[uuid.UUID] = field(default_factory=set)
    completed: set[uuid.UUID] = field(default_factory=set)
    markers: dict[str, int] = field(default_factory=dict)
    any_heads: dict[str, uuid.UUID] = field(default_factory=dict)


def composite(parts: Parts) -> str:
    """The ETag of an object that is made of these parts."""
    joined = b"".join(bytes.fromhex(parts[number][1]) for number in sorted(parts))
    return f"{hashlib.md5(joined).hexdigest()}-{len(parts)}"


def as_planned(upload: Upload, parts: Parts) -> bool:
    """Whether these are the parts of the plan, no more and no less."""
    planned = {number: upload.plan.size_of(number) for number in range(1, upload.parts_count + 1)}
    return {number: size for number, (size, _) in parts.items()} == planned


class Checker:
    """Looks at everything of one record."""

    def __init__(self, backend: Backend, ledger: RecordLedger, *, settled: bool = False) -> None:
        self.backend, self.ledger, self.settled = backend, ledger, settled
        db.session.rollback()
        table = UploadSession.__table__
        rows = db.session.execute(sa.select(table).where(table.c.bucket_id == ledger.bucket_id))
        self.uploads = [Upload.of(row) for row in rows]
        query = (
            sa.select(
                ObjectVersion.version_id, ObjectVersion.key, ObjectVersion.file_id, ObjectVersion.is_head,
                FileInstance.size, FileInstance.checksum, FileInstance.readable, FileInstance.writable,
            )
            .outerjoin(FileInstance, FileInstance.id == ObjectVersion.file_id)
            .where(ObjectVersion.bucket_id == ledger.bucket_id)
            .order_by(ObjectVersion.created)
        )  # fmt: skip
        self.versions = list(db.session.execute(query))

    @cached_property
    def objects(self) -> dict[str, tuple[int, str]]:
        """(size, ETag) of what the store holds."""
        return {key: (size, etag) for key, size, etag in self.backend.objects()}

    @cached_property
    def listed(self) -> list[str]:
        """Keys of the uploads that are open at the store."""
        return self.backend.uploads()

    def faults(self) -> Iterator[str]:
        """Say what is wrong."""
        self.follow()
        for upload in self.uploads:
            name = f"{upload.key} ({upload.state})"
            yield from (f"{name}: {fault}" for fault in self._of_upload(upload))
        slots = [upload.active_slot for upload in self.uploads if upload.active_slot is not None]
        if len(slots) != len(set(slots)):
            yield "two uploads hold one key"
        yield from self._log()
        yield from self._heads()
        yield from self._quota()
        if not self.ledger.deleted:
            yield from self._entries()

    def follow(self) -> None:
        """Bring the ledger up to date with what has happened: completions first, then deletions of keys."""
        ledger = self.ledger
        for upload in self.uploads:
            if upload.state is State.COMPLETED and upload.version_id not in ledger.completed:
                ledger.completed.add(upload.version_id)
                ledger.heads[upload.key] = ledger.any_heads[upload.key] = upload.version_id
        for key in {version.key for version in self.versions}:
            markers = sum(version.key == key and version.file_id is None for version in self.versions)
            if markers > ledger.markers.get(key, 0) and key in ledger.any_heads:
                ledger.uncounted.add(ledger.any_heads[key])
                ledger.heads.pop(key, None)
            ledger.markers[key] = markers
        ledger.any_heads = {one.key: one.version_id for one in self.versions if one.is_head and one.file_id is not None}

    def _of_upload(self, upload: Upload) -> Iterator[str]:
        if (upload.active_slot is None) != (upload.state in ENDED):
            yield "holds its key although it has ended, or the other way round"
        if self.settled and upload.state not in ENDED:
            yield f"has not ended; last error: {upload.error}"
        version = next((one for one in self.versions if one.version_id == upload.version_id), None)
        if upload.state is State.COMPLETED:
            yield from self._completed(upload, version)
        elif upload.state in ENDED:
            if version is not None or db.session.get(FileInstance, upload.file_id) is not None:
                yield "its file is still there"
        elif version is None or version.readable or not version.writable or version.checksum is not None:
            yield f"its pending file is {version}"
        yield from self._at_store(upload)

    def _completed(self, upload: Upload, version: Any) -> Iterator[str]:
        parts = self.ledger.sent.get(upload.id, {})
        if not as_planned(upload, parts):
            yield f"completed, but what was sent is {parts}"
            return
        etag = composite(parts)
        if version is None or not version.readable or version.writable or version.size != upload.size:
            yield f"its file is {version}"
        elif version.checksum != f"multipart:{etag}-{upload.part_size}":
            yield f"its checksum is {version.checksum}, what was sent makes {etag}"
        if self.objects.get(upload.s3_key) != (upload.size, etag):
            yield f"the object is {self.objects.get(upload.s3_key)}, not {upload.size} bytes {etag}"

    def _at_store(self, upload: Upload) -> Iterator[str]:
        # Where somebody has asked to join the parts the outcome may not be known yet; what settles or aborts it asks.
        tried = upload.claims > 0 and upload.state in (State.COMPLETING, State.ABORTING)
        if upload.s3_key in self.objects and not tried and upload.state is not State.COMPLETED:
            yield "its object is at the store"
        here = self.listed.count(upload.s3_key)
        if here and (self.settled or (upload.state in ENDED and upload.due_at is None)):
            yield f"{here} uploads are at the store, and nobody will look for them"
        if here > 1 and not upload.may_have_strays:
            yield f"{here} uploads are at the store, and nobody knows of the others"

    def _log(self) -> Iterator[str]:
        ids = [upload.id for upload in self.uploads]
        query = db.session.query(UploadEvent).filter(UploadEvent.upload_id.in_(ids)).order_by(UploadEvent.id)
        states: dict[uuid.UUID, str | None] = dict.fromkeys(ids)
        for row in query:
            before = states[row.upload_id]
            legal = before is None or TRANSITIONS.get((State(before), row.event)) == row.to_state
            if row.from_state != before or not legal:
                yield f"{row.event} led from {row.from_state} to {row.to_state}, when it was {before}"
            states[row.upload_id] = row.to_state
        for upload in self.uploads:
            if states[upload.id] != upload.state:
                yield f"the log of {upload.key} ends with {states[upload.id]}, and it is {upload.state}"

    def _heads(self) -> Iterator[str]:
        for key in {version.key for version in self.versions}:
            heads = [one for one in self.versions if one.key == key and one.is_head]
            if len(heads) > 1:
                yield f"{key} has {len(heads)} heads"
            readable = [one.version_id for one in heads if one.readable]
            expected = self.ledger.heads.get(key)
            if readable != ([] if expected is None else [expected]):
                yield f"readers of {key} get {heads}, not {expected}"
        missing = self.ledger.heads.keys() - {version.key for version in self.versions}
        if missing:
            yield f"nothing is left of {sorted(missing)}"

    def _quota(self) -> Iterator[str]:
        (size,) = self.backend.world.service.check_sizes(self.ledger.bucket_id)
        counted = [one.size for one in self.versions if one.file_id and one.version_id not in self.ledger.uncounted]
        if not size.recorded == size.recomputed == sum(counted):
            yield f"the bucket has {size.recorded} bytes, the check says {size.recomputed}, the ledger {sum(counted)}"

    def _entries(self) -> Iterator[str]:
        entries = self.backend.world.files(self.ledger.pid)
        listed = {(one["key"], one["version_id"], one["size"], one["checksum"]) for one in entries}
        heads = {
            (one.key, str(one.version_id), one.size, one.checksum)
            for one in self.versions
            if one.is_head and one.file_id is not None
        }
        if listed != heads or len(entries) != len(listed):
            yield f"_files lists {sorted(listed, key=str)}, the heads are {sorted(heads, key=str)}"


def unknown_to_rows(backend: Backend) -> Iterator[str]:
    """Say what the store holds that belongs to no row."""
    table = UploadSession.__table__
    for what, keys in (("object", {key for key, _, _ in backend.objects()}), ("upload", set(backend.uploads()))):
        known = set(db.session.execute(sa.select(table.c.s3_key).where(table.c.s3_key.in_(keys))).scalars())
        if keys - known:
            yield f"{len(keys - known)} {what}s at the store belong to no row"
