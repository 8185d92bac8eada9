# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Runs the machine for a number of operations."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from .backends import Backend
from .machine import Budget, machine_over

STEPS = 30
"""Operations in a sequence at most."""

SEQUENCES = 25
"""Sequences that one run of hypothesis makes at most."""


@dataclass
class Outcome:
    """Operations done, and what did not hold, each with the sequence that led there."""

    ops: int = 0
    violations: list[str] = field(default_factory=list)


def run(backend: Backend, ops: int, first_seed: int, say: Callable[[str], None] = print) -> Outcome:
    """Do so many operations; after a violation go on with other sequences.

    Args:
        backend: where.
        ops: how many.
        first_seed: the same one gives the same operations.
        say: told how far it is, and each violation.
    """
    outcome, budget = Outcome(), Budget(ops)
    machine = machine_over(backend, budget, outcome.violations)
    for round_seed in count(first_seed):
        known = len(outcome.violations)
        run_state_machine_as_test(seed(round_seed)(machine), settings=profile(SEQUENCES))
        for violation in outcome.violations[known:]:
            say(violation)
        say(f"{backend.name}: {budget.done} of {ops} operations, {len(outcome.violations)} violations")
        if budget.left <= 0:
            break
    outcome.ops = budget.done
    return outcome


def profile(sequences: int) -> settings:
    """So many sequences, neither kept nor made shorter; the machine itself keeps what it finds."""
    return settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
