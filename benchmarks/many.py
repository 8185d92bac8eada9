# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A folder of 10,000 files of 4 KiB by our client, s5cmd and boto3 to one Ceph RGW, as processes of their own, in turn.

4 lanes for all. ``ratio_...``: wall of ours over theirs, so that smaller is better: the others only put objects, ours
makes files of a record, by way of a repository on gunicorn and PostgreSQL. Medians of the rounds; ``server_cpu_s``: of
all gunicorn processes for the folder; ``server_file_bytes``: of bodies that are neither JSON nor HTML, both ways, in
all rounds.
"""

import os
import statistics
from dataclasses import asdict
from typing import Any

from ._rivals import Cost, interleaved, median, rivals

FILES = 10_000
SIZE = 4096
ROUNDS = 3


def run() -> dict[str, Any]:
    """Measure."""
    with rivals() as running:
        folder = running.folder / "many"
        folder.mkdir()
        for number in range(FILES):
            (folder / f"{number:05d}.bin").write_bytes(os.urandom(SIZE))
        server_cpu: list[float] = []

        def ours() -> Cost:
            before = running.server_cpu_s()
            cost = running.ours(folder, "--recursive")
            server_cpu.append(running.server_cpu_s() - before)
            return cost

        programs = {"ours": ours, "s5cmd": lambda: running.s5cmd(folder), "boto3": lambda: running.boto3(folder)}
        costs = interleaved(programs, ROUNDS, lambda: running.clear(FILES, SIZE))
        wall = median(costs["ours"], "wall_s")
        return {
            "ratio_s5cmd": wall / median(costs["s5cmd"], "wall_s"),
            "ratio_boto3": wall / median(costs["boto3"], "wall_s"),
            "files_per_s": FILES / wall,
            "client_rss_mib": max(cost.rss_mib for cost in costs["ours"]),
            "client_cpu_s": median(costs["ours"], "cpu_s"),
            "server_cpu_s": statistics.median(server_cpu),
            "server_file_bytes": running.server_file_bytes(),
            "rounds": {name: [asdict(cost) for cost in listed] for name, listed in costs.items()},
        }
