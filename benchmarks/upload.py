# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A file of 1 GiB by our client, s5cmd and boto3's upload_file to one Ceph RGW, as processes of their own, in turn.

Parts of 16 MiB and 4 lanes for all; ours opens and completes at a repository on gunicorn and PostgreSQL. Medians of the
rounds. ``ratio_...``: wall of ours over theirs, so that smaller is better. ``server_cpu_s``: of all gunicorn processes
for one upload. ``server_file_bytes``: of bodies that are neither JSON nor HTML, both ways, in all rounds. Names with
``_no_md5`` at the end: the same without MD5s of parts. ``rss_ratio``: peak of the memory at a sparse file of 20 GiB
over that at 1 GiB, both to a sink that keeps nothing.
"""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ._rivals import PART, Cost, Rivals, client_cost, interleaved, median, rivals
from ._sink import sink

GIB = 2**30
MIB = 2**20
SIZE = GIB
BIG = 20 * GIB
ROUNDS = 7
WITHOUT = "--no-part-md5"


def run() -> dict[str, Any]:
    """Measure."""
    with rivals() as running:
        path = running.folder / "data.bin"
        _fill(path, SIZE)
        server_cpu: dict[str, list[float]] = {"ours": [], "ours_no_md5": []}

        def ours(name: str, *options: str) -> Cost:
            before = running.server_cpu_s()
            cost = running.ours(path, *options)
            server_cpu[name].append(running.server_cpu_s() - before)
            return cost

        programs = {
            "ours": lambda: ours("ours"),
            "s5cmd": lambda: running.s5cmd(path),
            "ours_no_md5": lambda: ours("ours_no_md5", WITHOUT),
            "boto3": lambda: running.boto3(path),
        }
        costs = interleaved(programs, ROUNDS, lambda: running.clear(1, SIZE))
        result: dict[str, Any] = {}
        for name, suffix in (("ours", ""), ("ours_no_md5", "_no_md5")):
            result |= {
                f"ratio_s5cmd{suffix}": median(costs[name], "wall_s") / median(costs["s5cmd"], "wall_s"),
                f"ratio_boto3{suffix}": median(costs[name], "wall_s") / median(costs["boto3"], "wall_s"),
                f"client_rss_mib{suffix}": max(cost.rss_mib for cost in costs[name]),
                f"client_cpu_s{suffix}": median(costs[name], "cpu_s"),
                f"server_cpu_s{suffix}": sorted(server_cpu[name])[len(server_cpu[name]) // 2],
            }
        result["server_file_bytes"] = running.server_file_bytes()
        result |= _memory(running)
        result["rounds"] = {name: [asdict(cost) for cost in listed] for name, listed in costs.items()}
        return result


def _memory(running: Rivals) -> dict[str, float]:
    """MiB of sparse files to the sink."""
    result: dict[str, float] = {}
    for suffix, options in (("", ()), ("_no_md5", (WITHOUT,))):
        small, big = (_sunk(running, size, *options).rss_mib for size in (SIZE, BIG))
        result |= {f"rss_1_gib_mib{suffix}": small, f"rss_20_gib_mib{suffix}": big, f"rss_ratio{suffix}": big / small}
    return result


def _sunk(running: Rivals, size: int, *options: str) -> Cost:
    path = running.folder / "sparse.bin"
    with path.open("wb") as file:
        file.truncate(size)
    with sink(PART) as target:
        return client_cost(running.folder / "state", path, target, *options)


def _fill(path: Path, size: int) -> None:
    """Write a file of random bytes; it stays in the system's cache, for everybody."""
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
