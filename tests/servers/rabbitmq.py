# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""RabbitMQ as a node of its own, bound to loopback with its distribution, too."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .folder import server_folder
from .process import Daemon, ServerMissingError, accepts_connections, free_port, running

START_SECONDS = 60.0


@dataclass(frozen=True)
class RabbitServer:
    """A running RabbitMQ.

    Attributes:
        endpoint: URL of its default virtual host, for Celery's broker.
        port: its TCP port.
        pids: ids of the script that runs the node, which belongs to the same session, and of Erlang's port mapper.
    """

    endpoint: str
    port: int
    pids: tuple[int, ...]


@contextmanager
def start() -> Iterator[RabbitServer]:
    """Start a node; as user ``rabbitmq`` when we are root, since its scripts would become that user anyway.

    Raises:
        ServerMissingError: RabbitMQ is not installed.
        ServerError: it did not come up.
    """
    if (program := _program()) is None or shutil.which("epmd") is None:
        raise ServerMissingError("not installed: rabbitmq-server (apt: rabbitmq-server)")
    owner = "rabbitmq" if os.geteuid() == 0 else None
    with server_folder("rabbitmq", owner=owner) as folder:
        port, mapper_port = free_port(), free_port()
        environment = _environment(folder, port, mapper_port)
        # Erlang's port mapper would be started by the node and outlive it; so it is a process of ours.
        mapper_argv = ["epmd", "-address", "127.0.0.1", "-port", str(mapper_port)]
        mapper = Daemon("epmd", mapper_argv, folder / "epmd.log", env=environment, user=owner)
        with running(mapper):
            mapper.wait_ready(lambda: accepts_connections(mapper_port))
            daemon = Daemon("rabbitmq", [program], folder / "log", env=environment, user=owner)
            with running(daemon):
                daemon.wait_ready(lambda: accepts_connections(port), seconds=START_SECONDS)
                yield RabbitServer(f"amqp://guest:guest@127.0.0.1:{port}//", port, (daemon.pid, mapper.pid))


def _program() -> str | None:
    # The wrapper in PATH insists on being root or rabbitmq; the script behind it runs as anybody.
    script = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return str(script) if script.exists() else shutil.which("rabbitmq-server")


def _environment(folder: Path, port: int, mapper_port: int) -> dict[str, str]:
    loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
    return {
        "HOME": str(folder),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": loopback,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper_port),
    }
