# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Records on PostgreSQL, where requests run at the same time and take locks."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.integration.records_app import MIB, Clock, RecordsWorld, Requests, file_path, records_world
from tests.servers.postgres import PostgresServer

KEYS = [f"{number}.zip" for number in range(8)]


@pytest.fixture
def world(postgres: PostgresServer) -> Iterator[RecordsWorld]:
    """A world on an empty database."""
    with ExitStack() as stack:
        world = stack.enter_context(records_world(postgres.create_database(), Clock()))
        world.add_record()
        # The clock stands still and the requests do wait: nobody gives up on somebody who is slow.
        object.__setattr__(world.service.context, "sleep", time.sleep)
        yield world


def at_once(world: RecordsWorld, call: Callable[[Requests, str], Any], keys: list[str]) -> list[int]:
    """Statuses of calls for each key that are made at the same time."""

    def one(key: str) -> int:
        with world.app.app_context():
            status: int = call(world.client(), key).status_code
            return status

    with ThreadPoolExecutor(len(keys)) as pool:
        return list(pool.map(one, keys))


def test_simultaneous_requests_lose_no_entry(world: RecordsWorld):
    assert at_once(world, lambda client, key: client.open(key=key), KEYS) == [201] * len(KEYS)
    assert sorted(entry["key"] for entry in world.files()) == KEYS
    assert world.bucket().size == len(KEYS) * 12 * MIB
    for key in KEYS:
        world.put_parts(world.upload(key))
    half = KEYS[::2]

    def end(client: Requests, key: str) -> Any:
        return client.act("complete" if key in half else "abort", key)

    assert at_once(world, end, KEYS) == [200] * len(KEYS)
    assert sorted(entry["key"] for entry in world.files()) == half
    assert all(entry["checksum"] for entry in world.files())
    assert world.bucket().size == len(half) * 12 * MIB


def test_simultaneous_completions_are_one(world: RecordsWorld):
    world.client().open()
    world.put_parts(world.upload())
    assert at_once(world, lambda client, key: client.act("complete", key), ["data.zip"] * 4) == [200] * 4
    assert [call.name for call in world.store.calls].count("complete_upload") == 1
    assert len(world.files()) == 1


def test_quota_holds_however_many_open_at_once(world: RecordsWorld):
    world.set_bucket(quota_size=3 * 12 * MIB)
    statuses = at_once(world, lambda client, key: client.open(key=key), KEYS)
    assert sorted(statuses) == [201] * 3 + [413] * (len(KEYS) - 3)
    assert world.bucket().size == 3 * 12 * MIB


def test_expiry_gives_back_record_and_quota(world: RecordsWorld):
    world.add_file("old.txt")
    before = dict(world.record())
    at_once(world, lambda client, key: client.open(key=key), KEYS)
    world.clock.forward(days=2)
    assert world.service.sweep().expired == len(KEYS)
    assert dict(world.record()) == before
    assert world.bucket().size == 7


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_the_database_does_not_take_is_refused_before(world: RecordsWorld, text: str):
    owner = world.client()
    answers = [
        owner.open(name=text),
        owner.open(about=[{text: 1}]),
        owner.open(fingerprint=text),
        owner.open(key=text),
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert world.store.calls == []


def test_key_that_the_database_does_not_take_is_unknown(world: RecordsWorld):
    for method in ("GET", "DELETE"):
        assert world.client()(method, file_path("a\0b")).json["code"] == "file_not_found"
    for action in ("complete", "abort", "parts"):
        assert world.client().act(action, "a\0b").json["code"] == "upload_not_found"
