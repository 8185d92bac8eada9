# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Fixtures of the servers: started when a test first asks for one, stopped at the end of the session.

And what makes a thousand small applications cheap.
"""

import functools
import gc
import importlib.metadata
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests import leaks
from tests.servers import ceph as ceph_module
from tests.servers import moto as moto_module
from tests.servers import postgres as postgres_module
from tests.servers import rabbitmq as rabbitmq_module
from tests.servers import rclone as rclone_module
from tests.servers import redis as redis_module
from tests.servers import swift as swift_module
from tests.servers.availability import available
from tests.servers.ceph import CephServer
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

GARBAGE_THRESHOLD = 10_000


def pytest_configure(config: pytest.Config) -> None:
    """Read along what is logged, and look only once at what is installed.

    Each application asks a dozen times for entry points, and each time every installed package would be looked at: that
    would be most of the time that the tests take. Nothing is installed while they run.
    """
    config.pluginmanager.register(leaks, "leaks")
    distributions, entry_points_of = importlib.metadata.distributions, importlib.metadata.Distribution.entry_points.fget
    importlib.metadata.distributions = functools.cache(lambda **context: tuple(distributions(**context)))
    importlib.metadata.Distribution.entry_points = property(functools.cache(entry_points_of))
    importlib.metadata.entry_points = functools.cache(importlib.metadata.entry_points)


def pytest_collection_finish() -> None:
    """Do not let the garbage collector go through all that was imported again and again.

    An application is thousands of objects that live as long as its test: at Python's own threshold, a fifth of the time
    goes into looking at them while they are in use.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)


@event.listens_for(Engine, "connect")
def do_not_wait_for_the_disk(connection: Any, _record: object) -> None:
    """Let SQLite commit without fsync, as PostgreSQL does here: no database of a test outlives the machine's power."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def watch_secrets(server: S3Server) -> S3Server:
    """From here on the keys of a server must not be in any log."""
    leaks.LEAKS.watch("a secret key", server.secret_key)
    if isinstance(server, CephServer):
        leaks.LEAKS.watch("a secret key", server.tenant_secret_key)
    return server


@pytest.fixture(scope="session")
def ceph() -> Iterator[CephServer]:
    """Ceph's gateway with its defaults: parts of at least 5 MiB, a second user in a tenant."""
    with available(ceph_module.start()) as server:
        watch_secrets(server)
        yield server


@pytest.fixture(scope="session")
def ceph_small_parts() -> Iterator[CephServer]:
    """Ceph's gateway that takes parts of any size, and whose day for lifecycle rules lasts 4 s."""
    with available(ceph_module.start(min_part_size=1, lifecycle_day=4)) as server:
        watch_secrets(server)
        yield server


@pytest.fixture(scope="session")
def rclone() -> Iterator[S3Server]:
    """``rclone serve s3``."""
    with available(rclone_module.start()) as server:
        watch_secrets(server)
        yield server


@pytest.fixture(scope="session")
def swift() -> Iterator[S3Server]:
    """OpenStack Swift with its S3 interface."""
    with available(swift_module.start()) as server:
        watch_secrets(server)
        yield server


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    """Server of moto, which checks no signatures."""
    with available(moto_module.start()) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """PostgreSQL; ``create_database()`` gives the URL of an empty database."""
    with available(postgres_module.start()) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    """RabbitMQ."""
    with available(rabbitmq_module.start()) as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """Redis."""
    with available(redis_module.start()) as server:
        yield server
