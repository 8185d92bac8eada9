# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Random operations on uploads, with faults, over a fake store and SQLite and over Ceph and PostgreSQL.

``python -m tests.soak --ops N`` runs many of them; the quick profile is a test.
"""
