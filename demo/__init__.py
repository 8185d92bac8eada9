# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A small Invenio repository to try oarepo-s3 with: ``./run-demo.sh`` or ``python -m demo``."""
