# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Create the branch of oarepo-s3."""

# revision identifiers, used by Alembic.
revision = "3f0c9a51b7de"
down_revision = None
branch_labels = ("oarepo_s3",)
depends_on = "dbdbc1b19cf2"  # invenio-db: the table that every branch needs


def upgrade() -> None:
    """Nothing yet: the branch alone."""


def downgrade() -> None:
    """Nothing to take back."""
