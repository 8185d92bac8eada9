# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Add uploads in one put, which may be empty files."""

from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

# revision identifiers, used by Alembic.
revision = "c6e1f8a3b920"
down_revision = "a84d2e6c1f05"
branch_labels = ()
depends_on = None

TABLE, CHECK = "oarepo_s3_uploads", "ck_oarepo_s3_uploads_sizes"
BEFORE = "size > 0 AND part_size > 0 AND parts_count > 0"
AFTER = "size >= 0 AND part_size >= 0 AND parts_count > 0 AND (size > 0 AND part_size > 0 OR content_md5 IS NOT NULL)"


def upgrade() -> None:
    """Add the MD5, and let files with one be empty."""
    with _altered() as table:
        table.add_column(sa.Column("content_md5", sa.String(24), nullable=True))
        table.drop_constraint(op.f(CHECK), type_="check")
        table.create_check_constraint(op.f(CHECK), sa.text(AFTER))


def downgrade() -> None:
    """Forget the uploads in one put; objects of those that are pending stay at the store."""
    op.execute(sa.text(f"DELETE FROM {TABLE} WHERE content_md5 IS NOT NULL"))
    with _altered() as table:
        table.drop_constraint(op.f(CHECK), type_="check")
        table.create_check_constraint(op.f(CHECK), sa.text(BEFORE))
        table.drop_column("content_md5")


def _altered() -> AbstractContextManager[BatchOperations]:
    """SQLite cannot change a constraint: there the table is made anew."""
    return op.batch_alter_table(TABLE, reflect_kwargs={"listeners": [("column_reflect", _keep_binary)]})


def _keep_binary(_: Any, __: Any, column: dict[str, Any]) -> None:
    """SQLite's ``BINARY(16)`` of an id would come back as a number."""
    if isinstance(column["type"], sa.Numeric):
        column["type"] = sa.BINARY(16)
