# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The package in real processes: web and Celery workers over PostgreSQL, a broker and Ceph, all on 127.0.0.1."""
