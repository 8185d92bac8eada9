# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The servers below the application, and how to restart each of them."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import psycopg2

from tests.servers import ceph, postgres, rabbitmq, redis
from tests.servers.ceph import CephServer
from tests.servers.folder import server_folder
from tests.servers.postgres import PostgresServer
from tests.servers.process import accepts_connections
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer

from .processes import Restartable


@dataclass(frozen=True)
class Servers:
    """PostgreSQL, a broker and Ceph.

    Attributes:
        restartable: the processes by what they serve: database, broker, store (the gateway alone).
    """

    postgres: PostgresServer
    broker: RabbitServer | RedisServer
    ceph: CephServer
    restartable: dict[str, tuple[Restartable, ...]]

    def restart(self, name: str) -> None:
        """End a server as a crash would, start it again and wait until it serves."""
        # SIGQUIT is PostgreSQL's immediate shutdown: no checkpoint, and the log is replayed at the start. SIGKILL would
        # leave its backends running for a while, and they keep the next one from starting.
        number = signal.SIGQUIT if name == "database" else signal.SIGKILL
        for process in reversed(self.restartable[name]):
            process.end(number)
        for process in self.restartable[name]:
            process.start()
            process.wait_ready()


@contextmanager
def start(*, objectstore: Literal["memstore", "bluestore"] = "bluestore") -> Iterator[Servers]:
    """Start them all: PostgreSQL with fsync, RabbitMQ, and Ceph that takes parts of any size.

    Args:
        objectstore: ``bluestore`` survives that the store is restarted, ``memstore`` is faster.

    Raises:
        ServerMissingError: one is not installed.
        ServerError: one did not come up.
    """
    with ExitStack() as stack:
        database = stack.enter_context(postgres.start(fsync=True))
        queue = stack.enter_context(rabbitmq.start())
        store = stack.enter_context(ceph.start(objectstore=objectstore, min_part_size=1))
        logs = stack.enter_context(server_folder("restarted"))
        *_, gateway = store.pids
        restartable: dict[str, tuple[Restartable, ...]] = {
            "database": (
                Restartable("postgres", database.pids[0], logs / "postgres.log", lambda: _serves(database.port)),
            ),
            "broker": (
                Restartable("rabbitmq", queue.pids[0], logs / "broker.log", lambda: accepts_connections(queue.port)),
            ),
        }
        front = Restartable("radosgw", gateway, logs / "radosgw.log", lambda: accepts_connections(store.port))
        restartable |= {"store": (front,)}
        for processes in restartable.values():
            for process in processes:
                stack.callback(process.stop)
        yield Servers(database, queue, store, restartable)


@contextmanager
def over_redis(servers: Servers) -> Iterator[Servers]:
    """The same servers with Redis, which keeps nothing over a restart, for the broker."""
    with redis.start() as queue, server_folder("restarted") as logs:
        argv = ["redis-server", "--port", str(queue.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(logs)]
        log = logs / "redis.log"
        process = Restartable("redis", queue.pids[0], log, lambda: accepts_connections(queue.port), argv)
        try:
            yield replace(servers, broker=queue, restartable=servers.restartable | {"broker": (process,)})
        finally:
            process.stop()


def _serves(port: int) -> bool:
    try:
        psycopg2.connect(host="127.0.0.1", port=port, user=postgres.USER, dbname="postgres", connect_timeout=2).close()
    except psycopg2.OperationalError:  # not yet, or still replaying its log; the caller's patience has an end
        return False
    return True
