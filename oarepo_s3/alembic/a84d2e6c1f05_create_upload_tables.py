# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Create the tables of uploads and of their events."""

import sqlalchemy as sa
from alembic import op
from invenio_db.shared import UTCDateTime
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy_utils.types import UUIDType

# revision identifiers, used by Alembic.
revision = "a84d2e6c1f05"
down_revision = "3f0c9a51b7de"
branch_labels = ()
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "oarepo_s3_uploads",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("public_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("slot", sa.String(64), nullable=False),
        sa.Column("active_slot", sa.String(64), nullable=True),
        sa.Column("bucket_id", UUIDType(), nullable=False),
        sa.Column("key", sa.Text().with_variant(mysql.VARCHAR(255), "mysql"), nullable=False),
        sa.Column("version_id", UUIDType(), nullable=False),
        sa.Column("file_id", UUIDType(), nullable=False),
        sa.Column("took_head", sa.Boolean(), nullable=False),
        sa.Column("previous_head_id", UUIDType(), nullable=True),
        sa.Column("s3_bucket", sa.String(255), nullable=False),
        sa.Column("s3_key", sa.String(1024), nullable=False),
        sa.Column("s3_upload_id", sa.String(1024), nullable=True),
        sa.Column("may_have_strays", sa.Boolean(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("part_size", sa.BigInteger(), nullable=False),
        sa.Column("parts_count", sa.Integer(), nullable=False),
        sa.Column("free_plan", sa.Boolean(), nullable=False),
        sa.Column("content_type", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(255), nullable=True),
        sa.Column("checksum", sa.String(255), nullable=True),
        sa.Column("etag", sa.String(255), nullable=True),
        sa.Column("owner", sa.String(64), nullable=True),
        sa.Column(
            "owner_data", sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False
        ),
        sa.Column("created_by", sa.String(255), nullable=True),
        sa.Column("complete_url", sa.Text(), nullable=True),
        sa.Column("abort_url", sa.Text(), nullable=True),
        sa.Column("created", UTCDateTime(), nullable=False),
        sa.Column("updated", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("claimed_until", UTCDateTime(), nullable=True),
        sa.Column("ending", sa.String(16), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("size > 0 AND part_size > 0 AND parts_count > 0", name=op.f("ck_oarepo_s3_uploads_sizes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oarepo_s3_uploads")),
        sa.UniqueConstraint("public_id", name=op.f("uq_oarepo_s3_uploads_public_id")),
        sa.UniqueConstraint("active_slot", name=op.f("uq_oarepo_s3_uploads_active_slot")),
    )
    op.create_index("ix_oarepo_s3_uploads_state_due_at", "oarepo_s3_uploads", ["state", "due_at"])
    for column in ("slot", "bucket_id", "file_id"):
        op.create_index(op.f(f"ix_oarepo_s3_uploads_{column}"), "oarepo_s3_uploads", [column])
    op.create_table(
        "oarepo_s3_upload_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("upload_id", UUIDType(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("from_state", sa.String(16), nullable=True),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(255), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["oarepo_s3_uploads.id"],
            name=op.f("fk_oarepo_s3_upload_events_upload_id_oarepo_s3_uploads"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oarepo_s3_upload_events")),
    )
    op.create_index(op.f("ix_oarepo_s3_upload_events_upload_id"), "oarepo_s3_upload_events", ["upload_id"])


def downgrade() -> None:
    """Drop both tables; uploads that are pending stay at the store, for the bucket's lifecycle rule."""
    op.drop_table("oarepo_s3_upload_events")
    op.drop_table("oarepo_s3_uploads")
