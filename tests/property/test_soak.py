# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Random operations over REST, on records, with faults: the fake store and SQLite; and proof that faults are found."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from invenio_files_rest.models import Bucket

from oarepo_s3.uploads import aborting, completing, files, verifying
from tests.soak.backends import Backend, fake_and_sqlite
from tests.soak.machine import Budget, machine_over
from tests.soak.running import profile, run


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    with fake_and_sqlite(tmp_path) as backend:
        yield backend


def test_invariants_hold_after_each_step(backend: Backend):
    budget = Budget(10**6)
    quick = settings(profile(25), phases=[Phase.generate, Phase.shrink], derandomize=True)
    run_state_machine_as_test(machine_over(backend, budget), settings=quick)
    assert budget.done > 100


def test_a_run_does_so_many_operations_and_no_more(backend: Backend):
    lines: list[str] = []
    outcome = run(backend, 77, 1, lines.append)
    assert (outcome.ops, outcome.violations) == (77, [])
    assert lines == [f"{backend.name}: 77 of 77 operations, 0 violations"]


def forget_the_size(session: Any, uploads: Any) -> None:
    """Release as it should be, but for the size of the bucket."""
    buckets = session.query(Bucket).filter(Bucket.id.in_([upload.bucket_id for upload in uploads]))
    before = {bucket.id: bucket.size for bucket in buckets}
    RELEASE(session, uploads)
    for bucket_id, size in before.items():
        session.get(Bucket, bucket_id).size = size


RELEASE = aborting.release
PLANTED: dict[str, list[tuple[Any, str, Callable[..., Any]]]] = {
    "the size is not given back": [(aborting, "release", forget_the_size)],
    "nothing is aborted at the store": [(aborting.Aborter, "clear_store", lambda *_: None)],
    "a key that was deleted comes back": [(files, "deleted_as_head", lambda *_: False)],
    "parts are not checked": [
        (verifying, "check_parts", lambda *_, **__: None),
        (completing, "verified", lambda _, __, found, ___: (found.etag, None)),
    ],
    "a pending file hides the readable one": [
        (files, "_heads_for_pending", lambda _, __, keys: dict.fromkeys(keys, (True, None)))
    ],
    "an unknown outcome is taken for a failure": [
        (completing.Completer, "_after_unknown", lambda self, upload, actor: self._lose(upload, actor))
    ],
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(backend: Backend, monkeypatch: pytest.MonkeyPatch, bug: str):
    for where, name, replacement in PLANTED[bug]:
        monkeypatch.setattr(where, name, replacement)
    budget, found = Budget(3000), list[str]()
    machine = machine_over(backend, budget, found)
    round_seed = 0
    while budget.left > 0 and not found:
        round_seed += 1
        run_state_machine_as_test(seed(round_seed)(machine), settings=profile(5))
    assert found
    assert found[0].startswith(f"{backend.name}:\n")
