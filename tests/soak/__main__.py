# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Many random operations: ``python -m tests.soak --ops N``; the last line is ``ops=N violations=M``."""

import argparse
import logging
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.servers import ceph, postgres
from tests.servers.folder import run_folder
from tests.servers.process import ServerMissingError

from .backends import ceph_and_postgres, fake_and_sqlite
from .running import Outcome, run

CEPH_SHARE = 0.25
"""How many of the operations go to the real store."""


def main() -> int:
    """Run, print the outcome as the last line, and return 0 only if everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--ops", type=int, default=10_000, help="operations in all (default: 10,000)")
    parser.add_argument("--seed", type=int, default=None, help="of an earlier run, to repeat it")
    parser.add_argument("--only", choices=("fake", "ceph"), help="one of the two places alone")
    chosen = parser.parse_args()
    first_seed = secrets.randbelow(2**32) if chosen.seed is None else chosen.seed
    logging.disable(logging.CRITICAL)  # what goes wrong on purpose would fill the screen
    print(f"seed {first_seed}", flush=True)
    real = {"fake": 0, "ceph": chosen.ops, None: int(chosen.ops * CEPH_SHARE)}[chosen.only]
    outcomes = []
    try:
        with ExitStack() as stack:
            if chosen.ops - real:
                outcomes.append(_on_fake(stack, chosen.ops - real, first_seed))
            if real:
                outcomes.append(_on_ceph(stack, real, first_seed))
    except ServerMissingError as error:
        print(error, file=sys.stderr)
        return 1
    violations = sum(len(outcome.violations) for outcome in outcomes)
    print(f"ops={sum(outcome.ops for outcome in outcomes)} violations={violations}", flush=True)
    return 1 if violations else 0


def _on_fake(stack: ExitStack, ops: int, first_seed: int) -> Outcome:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=run_folder())))
    with fake_and_sqlite(folder) as backend:
        return run(backend, ops, first_seed, _say)


def _on_ceph(stack: ExitStack, ops: int, first_seed: int) -> Outcome:
    database = stack.enter_context(postgres.start())
    store = stack.enter_context(ceph.start(min_part_size=1))
    with ceph_and_postgres(store, database.create_database()) as backend:
        return run(backend, ops, first_seed, _say)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
