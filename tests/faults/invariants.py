# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What must hold whatever has happened: the one checker of this tier.

It looks at the database and the store directly, and at what readers get over HTTP.
"""

import hashlib
import json
import uuid
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from oarepo_s3.uploads.states import ENDED, TRANSITIONS, State

from .world import PART, World

LANES = 4
"""Records that are checked at once."""


@dataclass
class Sent:
    """What was sent for a key.

    Attributes:
        previous: content of the version that was readable before, None if there was none.
        new: content of each upload that may have become the file.
    """

    previous: bytes | None = None
    new: tuple[bytes, ...] = ()


@dataclass
class Checker:
    """Looks at everything of one record.

    Attributes:
        settled: whether time has passed and the schedule has run, so that nothing may be pending any more.
    """

    world: World
    pid: str
    sent: Mapping[str, Sent]
    settled: bool
    uploads: list[Any] = field(default_factory=list)
    versions: list[Any] = field(default_factory=list)
    record: dict[str, Any] | None = None
    """The record's metadata, None if it was deleted."""

    def faults(self) -> Iterator[str]:
        """Yield what is wrong."""
        bucket_id = self.world.bucket_of(self.pid)
        self.uploads = self.world.rows("SELECT * FROM oarepo_s3_uploads WHERE bucket_id = :id", id=bucket_id)
        self.versions = self.world.rows(
            "SELECT v.version_id, v.key, v.file_id, v.is_head, f.uri, f.size, f.checksum, f.readable, f.writable"
            " FROM files_object v LEFT JOIN files_files f ON f.id = v.file_id WHERE v.bucket_id = :id"
            " ORDER BY v.created",
            id=bucket_id,
        )
        self.record = self.read_record()
        yield from self._database()
        yield from self._store()
        yield from self._quota(bucket_id)
        yield from self._previous_versions()
        yield from self._readers()
        yield from self._entries()

    # database ---------------------------------------------------------------------------------------------------------

    def read_record(self) -> dict[str, Any] | None:
        """The record's metadata as the database has it."""
        query = (
            "SELECT r.json FROM records_metadata r JOIN pidstore_pid p ON p.object_uuid = r.id WHERE p.pid_value = :pid"
        )
        data = self.world.rows(query, pid=self.pid)[0].json
        return json.loads(data) if isinstance(data, str) else data

    def released(self, upload: Any) -> bool:
        """Whether an upload may hold neither its key nor a pending file any more."""
        return State(upload.state) in ENDED

    def _database(self) -> Iterator[str]:
        by_id = {version.version_id: version for version in self.versions}
        slots = [upload.active_slot for upload in self.uploads if upload.active_slot is not None]
        if len(slots) != len(set(slots)):
            yield "two uploads hold one key"
        for upload in self.uploads:
            state = State(upload.state)
            name = f"{upload.key} ({state})"
            if (upload.active_slot is None) != self.released(upload):
                yield f"{name}: holds its key although it has ended, or the other way round"
            if self.settled and state not in ENDED:
                yield f"{name}: has not ended; last error: {upload.error}"
            yield from self._events(upload, name)
            yield from self._file(upload, by_id.get(upload.version_id), name)

    def _events(self, upload: Any, name: str) -> Iterator[str]:
        query = "SELECT event, from_state, to_state FROM oarepo_s3_upload_events WHERE upload_id = :id ORDER BY id"
        events = self.world.rows(query, id=upload.id)
        state: str | None = None
        for row in events:
            if row.from_state != state:
                yield f"{name}: {row.event} happened in {row.from_state}, but it was {state}"
            if state is not None and TRANSITIONS.get((State(row.from_state), row.event)) != row.to_state:
                yield f"{name}: {row.event} led from {row.from_state} to {row.to_state}"
            state = row.to_state
        if state != upload.state:
            yield f"{name}: its log ends with {state}"
        if (wins := [row.event for row in events if row.event in ("completed", "aborted", "lost")]) and len(wins) > 1:
            yield f"{name}: it has ended twice: {wins}"

    def _file(self, upload: Any, version: Any, name: str) -> Iterator[str]:
        state = State(upload.state)
        if state is State.COMPLETED:
            if version is None or not version.readable or version.writable or version.size != upload.size:
                yield f"{name}: its file is {version}"
            elif not (version.checksum or "").startswith("multipart:"):
                yield f"{name}: its checksum is {version.checksum}"
        elif self.released(upload):
            if version is not None:
                yield f"{name}: its version is still there"
            if self.world.rows("SELECT 1 FROM files_files WHERE id = :id", id=upload.file_id):
                yield f"{name}: its file is still there"
        elif version is None or version.readable or not version.writable or version.checksum is not None:
            yield f"{name}: its pending file is {version}"

    # store ------------------------------------------------------------------------------------------------------------

    def _store(self) -> Iterator[str]:
        for upload in self.uploads:
            state = State(upload.state)
            name = f"{upload.key} ({state})"
            found = self._object(upload.s3_key)
            if state is State.COMPLETED:
                if found is None:
                    yield f"{name}: the store has no object"
                elif found["ContentLength"] != upload.size or found["Metadata"].get("oarepo-upload") != str(upload.id):
                    yield f"{name}: the object is of another upload"
            elif found is not None and (self.settled or state in ENDED):
                yield f"{name}: its object is at the store"
            listed = self._listed(upload.s3_key)
            if self.settled and listed:
                yield f"{name}: {len(listed)} uploads are at the store"
            elif listed and upload.due_at is None:
                yield f"{name}: an upload is at the store, and nobody will look for it"

    def _object(self, s3_key: str) -> Any:
        listed = self.world.s3.list_objects_v2(Bucket=self.world.s3_bucket, Prefix=s3_key).get("Contents", ())
        return self.world.s3.head_object(Bucket=self.world.s3_bucket, Key=s3_key) if listed else None

    def _listed(self, s3_key: str) -> list[Any]:
        listing = self.world.s3.list_multipart_uploads(Bucket=self.world.s3_bucket, Prefix=s3_key)
        return list(listing.get("Uploads", ()))

    # quota ------------------------------------------------------------------------------------------------------------

    def _quota(self, bucket_id: uuid.UUID) -> Iterator[str]:
        size = self.world.rows("SELECT size FROM files_bucket WHERE id = :id", id=bucket_id)[0].size
        expected = sum(version.size for version in self.versions if version.file_id is not None)
        if size != expected:
            yield f"the bucket's size is {size}, its files have {expected}"

    # readers ----------------------------------------------------------------------------------------------------------

    def _previous_versions(self) -> Iterator[str]:
        for key, sent in self.sent.items():
            readable = [version for version in self.versions if version.key == key and version.readable]
            if sent.previous is not None:
                first = readable[0] if readable else None
                if first is None or self._bytes_of(first) != sent.previous:
                    yield f"{key}: the previous version is not what it was: {first}"
            heads = [version for version in self.versions if version.key == key and version.is_head]
            if len(heads) > 1 or (readable and not (heads and heads[0].readable)):
                yield f"{key}: its heads are {heads}"

    def _bytes_of(self, version: Any) -> bytes:
        s3_key = version.uri.removeprefix(f"s3://{self.world.s3_bucket}/")
        content: bytes = self.world.s3.get_object(Bucket=self.world.s3_bucket, Key=s3_key)["Body"].read()
        return content

    def _readers(self) -> Iterator[str]:
        for key, sent in self.sent.items():
            readable = [version for version in self.versions if version.key == key and version.readable]
            answer = self.world.reader.read(self.pid, key)
            if self.record is None:
                if answer.status != 410:
                    yield f"{key}: the record is deleted, but readers get {answer}"
                continue
            if not readable:
                if answer.status != 404:
                    yield f"{key}: nothing is readable, but readers get {answer}"
                continue
            allowed = sent.new if len(readable) > (sent.previous is not None) else (sent.previous,)
            if answer.status != 200 or answer.content not in allowed:
                yield f"{key}: readers get {answer}"
            elif readable[-1].checksum != multipart_checksum(answer.content):
                yield f"{key}: the checksum {readable[-1].checksum} is not that of what readers get"

    def _entries(self) -> Iterator[str]:
        if self.record is None:
            return
        listed = {
            (entry["key"], entry["version_id"], entry["file_id"], entry["size"], entry["checksum"])
            for entry in self.record.get("_files", ())
        }
        heads = {
            (version.key, str(version.version_id), str(version.file_id), version.size, version.checksum)
            for version in self.versions
            if version.is_head and version.file_id is not None
        }
        if listed != heads:
            yield f"_files lists {sorted(listed, key=str)}, the heads are {sorted(heads, key=str)}"


def multipart_checksum(content: bytes) -> str:
    """The checksum of a file that came in parts of the tests' size."""
    parts = [content[start : start + PART] for start in range(0, len(content), PART)]
    joined = b"".join(hashlib.md5(part).digest() for part in parts)
    return f"multipart:{hashlib.md5(joined).hexdigest()}-{len(parts)}-{PART}"


def check(world: World, sent: Mapping[str, Mapping[str, Sent]], *, settled: bool) -> None:
    """Check all that is known of some records.

    Args:
        sent: what was sent, by record and key.
        settled: whether nothing may be pending any more.

    Raises:
        AssertionError: something is wrong; the text says what.
    """
    with ThreadPoolExecutor(LANES) as pool:
        found = pool.map(lambda pid: list(Checker(world, pid, sent[pid], settled).faults()), sent)
        wrong = {pid: faults for pid, faults in zip(sent, found, strict=True) if faults}
    assert not wrong, wrong


def check_store(world: World) -> None:
    """Check that all that the store holds belongs to a row, once everything is settled."""
    uris = {row.uri for row in world.rows("SELECT uri FROM files_files WHERE readable")}
    pages = world.s3.get_paginator("list_objects_v2").paginate(Bucket=world.s3_bucket)
    keys: Collection[str] = {item["Key"] for page in pages for item in page.get("Contents", ())}
    unknown = [key for key in keys if f"s3://{world.s3_bucket}/{key}" not in uris]
    assert not unknown, f"objects that are no file: {unknown}"
    assert len(uris) == len(keys), "files without an object"
    uploads = world.s3.list_multipart_uploads(Bucket=world.s3_bucket).get("Uploads", ())
    assert not uploads, f"uploads that nobody clears away: {[upload['Key'] for upload in uploads]}"
