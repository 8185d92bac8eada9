# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Fixtures of the servers: started when a test first asks for one, stopped at the end of the session."""

from collections.abc import Iterator

import pytest

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


def pytest_configure(config: pytest.Config) -> None:
    """Read along what is logged."""
    config.pluginmanager.register(leaks, "leaks")


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
