# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The tables: one row an upload, one row an event of it."""

import dataclasses
import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa
from invenio_db import db
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy_utils.types import UUIDType

from .plan import Plan
from .states import State

_JSON = sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_KEY = sa.Text().with_variant(mysql.VARCHAR(255), "mysql")
_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class _Hidden(str):
    """A text that does not show itself where SQLAlchemy quotes the parameters of a statement, in errors and logs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'(hidden)'"


class _SecretText(sa.TypeDecorator[str]):
    """A text that may be a capability."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Hide the value from whoever prints it."""
        return None if value is None else _Hidden(value)


def slot_of(bucket_id: uuid.UUID, key: str) -> str:
    """A fixed-length name for (bucket, key), short enough for an index on every database."""
    return hashlib.sha256(bucket_id.bytes + key.encode("utf-8", "surrogatepass")).hexdigest()


class UploadSession(db.Model):
    """One upload: multipart, or in one put.

    There are no foreign keys to the file tables on purpose: the row has to outlive the file, the record and a
    transaction that was rolled back, or nobody would know what to sweep at the store.
    """

    __tablename__ = "oarepo_s3_uploads"
    __table_args__ = (
        sa.Index("ix_oarepo_s3_uploads_state_due_at", "state", "due_at"),
        sa.CheckConstraint(
            "size >= 0 AND part_size >= 0 AND parts_count > 0"
            " AND (size > 0 AND part_size > 0 OR content_md5 IS NOT NULL)",
            name="sizes",
        ),
    )

    id = sa.Column(UUIDType, primary_key=True, default=uuid.uuid4)
    """Our id; stamped on the object at the store and read back at completion."""
    public_id: sa.Column[str] = sa.Column(_SecretText(64), nullable=False, unique=True)
    """256 random bits: what clients know as the upload id."""
    state = sa.Column(sa.String(16), nullable=False)
    slot = sa.Column(sa.String(64), nullable=False, index=True)
    """Names (bucket, key); see :func:`slot_of`."""
    active_slot = sa.Column(sa.String(64), nullable=True, unique=True)
    """The slot while the upload has not ended, then NULL: one upload of a key at a time."""

    bucket_id = sa.Column(UUIDType, nullable=False, index=True)
    key = sa.Column(_KEY, nullable=False)
    version_id = sa.Column(UUIDType, nullable=False)
    file_id = sa.Column(UUIDType, nullable=False, index=True)
    took_head = sa.Column(sa.Boolean, nullable=False)
    """Whether the pending version is shown as head, as the key had no readable one."""
    previous_head_id = sa.Column(UUIDType, nullable=True)
    """Delete marker that was head before, to be put back."""

    s3_bucket = sa.Column(sa.String(255), nullable=False)
    s3_key = sa.Column(sa.String(1024), nullable=False)
    s3_upload_id = sa.Column(sa.String(1024), nullable=True)
    may_have_strays = sa.Column(sa.Boolean, nullable=False, default=False)
    """Whether the store may hold another upload of this key, opened by a call whose answer was lost."""

    size = sa.Column(sa.BigInteger, nullable=False)
    part_size = sa.Column(sa.BigInteger, nullable=False)
    parts_count = sa.Column(sa.Integer, nullable=False)
    free_plan = sa.Column(sa.Boolean, nullable=False, default=False)
    """Whether the client chooses the sizes of the parts itself."""
    content_md5 = sa.Column(sa.String(24), nullable=True)
    """Base64 of the file's MD5 where it goes in one put, without parts at the store; else NULL."""
    content_type = sa.Column(sa.String(255), nullable=False)
    fingerprint = sa.Column(sa.String(255), nullable=True)
    checksum = sa.Column(sa.String(255), nullable=True)
    """What the client says the checksum will be; compared at completion, never stored as truth."""
    etag = sa.Column(sa.String(255), nullable=True)
    """The store's ETag of the completed object."""

    owner = sa.Column(sa.String(64), nullable=True)
    """Name of the owner adapter, or NULL to ask all of them."""
    owner_data = sa.Column(_JSON, nullable=False, default=dict)
    created_by = sa.Column(sa.String(255), nullable=True)
    complete_url = sa.Column(sa.Text, nullable=True)
    abort_url = sa.Column(sa.Text, nullable=True)

    created = sa.Column(db.UTCDateTime, nullable=False)
    updated = sa.Column(db.UTCDateTime, nullable=False)
    expires_at = sa.Column(db.UTCDateTime, nullable=False)
    due_at = sa.Column(db.UTCDateTime, nullable=True)
    """When a sweep has to look at the row again; NULL when never."""
    claims = sa.Column(sa.Integer, nullable=False, default=0)
    """How often somebody set out to complete it; with the state it guards a claim that was taken over."""
    claimed_until = sa.Column(db.UTCDateTime, nullable=True)
    """Until when nobody else may set out to complete it."""
    ending = sa.Column(sa.String(16), nullable=True)
    """The event that led to aborting: who is told depends on it."""
    attempts = sa.Column(sa.Integer, nullable=False, default=0)
    """How often sweeping it has failed."""
    error = sa.Column(sa.Text, nullable=True)
    """Why sweeping it failed last."""


class UploadEvent(db.Model):
    """What happened to an upload: from, to, when, by whom, why."""

    __tablename__ = "oarepo_s3_upload_events"

    id = sa.Column(_SERIAL, primary_key=True, autoincrement=True)
    upload_id = sa.Column(UUIDType, sa.ForeignKey(UploadSession.id, ondelete="CASCADE"), nullable=False, index=True)
    at = sa.Column(db.UTCDateTime, nullable=False)
    event = sa.Column(sa.String(16), nullable=False)
    from_state = sa.Column(sa.String(16), nullable=True)
    to_state = sa.Column(sa.String(16), nullable=False)
    actor = sa.Column(sa.String(255), nullable=True)
    reason = sa.Column(sa.Text, nullable=True)


@dataclass(frozen=True, slots=True)
class Upload:
    """The facts of an upload at one moment, free of any database session; fields as in :class:`UploadSession`."""

    id: uuid.UUID
    public_id: str = dataclasses.field(repr=False)  # may be a capability
    state: State
    slot: str
    active_slot: str | None
    bucket_id: uuid.UUID
    key: str
    version_id: uuid.UUID
    file_id: uuid.UUID
    took_head: bool
    previous_head_id: uuid.UUID | None
    s3_bucket: str
    s3_key: str
    s3_upload_id: str | None = dataclasses.field(repr=False)
    may_have_strays: bool
    size: int
    part_size: int
    parts_count: int
    free_plan: bool
    content_md5: str | None
    content_type: str
    fingerprint: str | None
    checksum: str | None
    etag: str | None
    owner: str | None
    owner_data: dict[str, Any]
    created_by: str | None
    complete_url: str | None
    abort_url: str | None
    created: datetime
    updated: datetime
    expires_at: datetime
    due_at: datetime | None
    claims: int
    claimed_until: datetime | None
    ending: str | None
    attempts: int
    error: str | None

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Self:
        """The facts of a row of the table."""
        facts = dict(row._mapping)
        return cls(**{**facts, "state": State(facts["state"])})

    @property
    def plan(self) -> Plan:
        """Size, part size and number of parts."""
        return Plan(self.size, self.part_size, self.parts_count, self.content_md5)

    @property
    def is_one_put(self) -> bool:
        """Whether the file goes in one put, without a multipart upload at the store."""
        return self.content_md5 is not None

    @property
    def stamp(self) -> str:
        """What the object at the store carries in its metadata."""
        return str(self.id)

    @property
    def file_uri(self) -> str:
        """URI of the file as Invenio stores it."""
        return f"s3://{self.s3_bucket}/{self.s3_key}"
