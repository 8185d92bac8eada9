# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Opening an upload of 1, 100 and 10,000 parts: wall, CPU, SQL, calls of the store, bytes of the answer.

The whole request through the application, on PostgreSQL and Ceph RGW, with the default number of part URLs in the
answer; ``ratio_wall_10000`` is the wall time at 10,000 parts over that at one. Rounds of the three sizes take turns,
and the medians count.
"""

from typing import Any

from ._repository import PARTS, median_of, repository

MIB = 2**20
ROUNDS = 30


def run() -> dict[str, Any]:
    """Measure."""
    rounds: dict[int, list[dict[str, float]]] = {parts: [] for parts in PARTS}
    with repository() as found:
        found.owner.open("warm-up", size=MIB, part_size=MIB)
        for turn in range(ROUNDS):
            for parts in PARTS:
                key = f"{turn}-{parts}"
                rounds[parts].append(
                    found.measure(lambda: found.owner.open(key, size=parts * MIB, part_size=MIB))  # noqa: B023 - now
                )
                found.owner.act("abort", key)
    result: dict[str, Any] = {f"parts_{parts}": median_of(figures) for parts, figures in rounds.items()}
    result["ratio_wall_10000"] = result["parts_10000"]["wall_ms"] / result["parts_1"]["wall_ms"]
    return result
