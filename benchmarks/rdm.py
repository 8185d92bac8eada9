# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The multipart transfer in a repository of drafts, stock (invenio-s3's factory) against ours, at 1 to 10,000 parts.

Both run on the same PostgreSQL and Ceph RGW, in turn, in one run: init, GET of the pending file, list, commit, with all
URLs in the answers as stock gives them. Medians of the rounds. The ratios are stock over ours: of wall time, of CPU
where the name says so. ``get_flat`` is ours alone: GET at 10,000 parts over GET at 1, with at most 100 URLs in an
answer. ``slow_store_parallel`` is ours alone as well: three inits in one draft at once over one, at a store that takes
3 s a call; ``stock_slow_store_parallel`` is the same for stock.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.rdm.application import Choice
from tests.servers.ceph import CephServer

from ._delay import delayed
from ._rdm import SIDES, Figures, Side, new_key, put_parts, servers, side, urls_of
from ._repository import median_of

PARTS = (1, 100, 1000, 10_000)
ROUNDS = {1: 60, 100: 20, 1000: 8, 10_000: 3}
COMMITS = {1: 60, 100: 10, 1000: 3, 10_000: 3}
FLAT_ROUNDS = 60
FLAT_LIMIT = 100
SLOW_SECONDS = 3.0
Rounds = dict[str, list[Figures]]


def run() -> dict[str, Any]:
    """Measure."""
    result: dict[str, Any] = {}
    with servers() as (store, database_url):
        with side("stock", store, database_url) as stock, side("ours", store, database_url) as ours:
            both: dict[Choice, Side] = {"stock": stock, "ours": ours}
            for parts in PARTS:
                result[f"parts_{parts}"] = _compare(both, parts)
        result |= _ratios(result)
        result |= _flat(store, database_url)
        for choice in SIDES:
            prefix = "" if choice == "ours" else "stock_"
            result[f"{prefix}slow_store_parallel"] = _slow(choice, store, database_url)
    return result


def _compare(both: dict[Choice, Side], parts: int) -> dict[str, Any]:
    """Medians by side and call."""
    rounds: dict[Choice, Rounds] = {choice: {} for choice in SIDES}
    for choice in SIDES:
        _round(both[choice], {}, parts=1, commit=True)  # warm up
    for turn in range(ROUNDS[parts]):
        for choice in SIDES if turn % 2 else reversed(SIDES):
            _round(both[choice], rounds[choice], parts, commit=turn < COMMITS[parts])
    return {choice: {call: median_of(figures) for call, figures in rounds[choice].items()} for choice in SIDES}


def _round(measured: Side, rounds: Rounds, parts: int, *, commit: bool) -> None:
    """One upload in a draft of its own."""
    files, key = measured.add_draft(), new_key()

    def note(call: str, method: str, path: str) -> None:
        _, figures = measured.measure(lambda: measured.ask(method, path))
        rounds.setdefault(call, []).append(figures)

    answer, figures = measured.measure(lambda: measured.init(files, key, parts))
    rounds.setdefault("init", []).append(figures)
    note("get", "GET", f"{files}/{key}")
    note("list", "GET", files)
    if commit:
        put_parts(urls_of(answer, key))
        note("commit", "POST", f"{files}/{key}/commit")
    else:
        assert measured.ask("DELETE", f"{files}/{key}").status_code == 204


def _ratios(result: dict[str, Any]) -> dict[str, float]:
    def ratio(call: str, parts: int, figure: str) -> float:
        stock, ours = (result[f"parts_{parts}"][choice][call][figure] for choice in SIDES)
        return float(stock / ours)

    walls = {f"{call}_10000": ratio(call, 10_000, "wall_ms") for call in ("init", "get", "list", "commit")}
    return walls | {f"{call}_1_cpu": ratio(call, 1, "cpu_ms") for call in ("init", "get", "commit")}


def _flat(store: CephServer, database_url: str) -> dict[str, float]:
    """GET of a pending file of 10,000 parts over that of one."""
    rounds: dict[int, list[Figures]] = {1: [], 10_000: []}
    with side("ours", store, database_url, S3_MULTIPART_RDM_LINKS_LIMIT=FLAT_LIMIT) as ours:
        paths = {}
        for parts in rounds:
            files, key = ours.add_draft(), new_key()
            assert len(urls_of(ours.init(files, key, parts), key)) == min(parts, FLAT_LIMIT)
            paths[parts] = f"{files}/{key}"
        for _ in range(FLAT_ROUNDS):
            for parts, path in paths.items():
                rounds[parts].append(ours.measure(lambda: ours.ask("GET", path))[1])  # noqa: B023 - now
    medians = {parts: median_of(figures) for parts, figures in rounds.items()}
    return {"get_flat": medians[10_000]["wall_ms"] / medians[1]["wall_ms"]}


def _slow(choice: Choice, store: CephServer, database_url: str) -> float:
    """Wall time of three inits in one draft at once, over that of one."""
    with (
        delayed(store.endpoint, SLOW_SECONDS) as endpoint,
        side(choice, store, database_url, S3_ENDPOINT_URL=endpoint) as slow,
        ThreadPoolExecutor(3) as pool,
    ):
        files = slow.add_draft()
        walls = []
        for count in (1, 3):
            began = time.perf_counter()
            answers = list(pool.map(lambda _: slow.init(files, new_key(), 1), range(count)))  # noqa: B023 - now
            walls.append(time.perf_counter() - began)
            assert {answer.status_code for answer in answers} == {201}
    return walls[1] / walls[0]
