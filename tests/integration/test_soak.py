# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Random operations with faults over Ceph and PostgreSQL; the invariants after each sequence."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.servers.ceph import CephServer
from tests.servers.postgres import PostgresServer
from tests.soak.backends import ceph_and_postgres
from tests.soak.machine import Budget, machine_over
from tests.soak.running import profile


def test_invariants_hold_after_each_sequence(ceph_small_parts: CephServer, postgres: PostgresServer):
    budget = Budget(10**6)
    with ceph_and_postgres(ceph_small_parts, postgres.create_database()) as backend:
        run_state_machine_as_test(machine_over(backend, budget), settings=settings(profile(8), derandomize=True))
    assert budget.done > 50
