# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Servers that the tests and the benchmarks talk to.

Each module starts one kind of server on a free port of 127.0.0.1 through a context manager ``start(...)``, keeps its
state in the folder of the run and ends it by process id. ``python -m tests.servers NAME`` runs one in the foreground.
"""
