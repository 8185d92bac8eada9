# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Killed at any moment and run again, as often as it takes: the file is whole, and little is sent twice."""

import hashlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.client import repository as repository_module
from tests.client.cli.program import PROGRAM, Program
from tests.client.kill.counting import CountingProxy, PutCounter
from tests.client.repository import PART, TOKEN, Repository
from tests.servers.ceph import CephServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_until

TIMES = 50
LANES = 2
SIZE = 4 * PART + 12_345
OPTIONS = ("--parallel", str(LANES), "--limit-rate", "50MiB")
"""Half a second for the file, so that most kills hit the middle of it."""

MOST_RUNS = 20


@dataclass(frozen=True)
class World:
    """A repository whose store is behind a proxy that counts."""

    repository: Repository
    proxy: CountingProxy


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, ceph: CephServer) -> Iterator[World]:
    with (
        CountingProxy(ceph.port) as proxy,
        repository_module.start(postgres, ceph, S3_PUBLIC_ENDPOINT_URL=proxy.endpoint) as repository,
    ):
        yield World(repository, proxy)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path, {"OAREPO_S3_TOKEN": TOKEN})


def run_and_kill(program: Program, path: Path, target: str, seconds: float) -> int | None:
    """Run it, kill it after so many seconds, and return its exit code; None if it was killed."""
    argv = [PROGRAM, "upload", "--quiet", str(path), target, *OPTIONS]
    process = subprocess.Popen(argv, env=program.variables(), stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def arrived_bytes(repository: Repository, key: str) -> int:
    """What the store has of the file, as soon as the repository is not in the middle of joining it."""
    wait_until(lambda: not {"opening", "completing"} & set(repository.states(key)), seconds=30, what="still completing")
    if "completed" in repository.states(key):
        return SIZE
    size = 0
    for row in repository.rows("SELECT s3_key, s3_upload_id FROM oarepo_s3_uploads WHERE key = :key", key=key):
        upload = {"Bucket": repository.s3_bucket, "Key": row.s3_key, "UploadId": row.s3_upload_id}
        size += sum(part["Size"] for part in repository.s3().list_parts(**upload).get("Parts", []))
    return size


def settled(count: Callable[[], int]) -> int:
    """A number that has stopped to grow."""
    before = -1
    while (now := count()) != before:
        before = now
        time.sleep(0.1)
    return now


@pytest.mark.parametrize("number", range(TIMES))
def test_killed_and_run_again_until_done(world: World, program: Program, tmp_path: Path, number: int) -> None:
    rng = random.Random(number)
    path = tmp_path / f"{number}.bin"
    path.write_bytes(rng.randbytes(SIZE))
    target = world.repository.add_record()
    there = 0
    for _ in range(MOST_RUNS):
        before = world.proxy.put_bytes
        code = run_and_kill(program, path, target, rng.uniform(0.2, 1.6))
        sent = settled(lambda: world.proxy.put_bytes) - before
        arrived = settled(lambda: arrived_bytes(world.repository, path.name))
        assert code in (0, None)
        assert sent - (arrived - there) <= LANES * PART
        there = arrived
        if code == 0:
            break
    assert there == SIZE
    answer = requests.get(f"{target}/files/{path.name}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(path.read_bytes()).digest()
    assert list((program.home / "state").glob("*.json")) == []


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_counter_counts_bodies_of_puts_however_they_come(piece: int) -> None:
    requests = (
        b"PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345"
        b"GET /a HTTP/1.1\r\n\r\n"
        b"POST /a HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc"
        b"PUT /b HTTP/1.1\r\nHost: x\r\ncontent-length: 10\r\n\r\n123"
    )
    counter = PutCounter()
    for start in range(0, len(requests), piece):
        counter.feed(requests[start : start + piece])
    assert counter.bytes == 8
