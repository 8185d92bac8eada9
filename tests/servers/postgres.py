# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""PostgreSQL with a data folder of its own; the cluster of the Debian package is neither needed nor touched."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg2

from .folder import server_folder
from .process import Daemon, ServerMissingError, accepts_connections, free_port, run, running

USER = "oarepo"


@dataclass(frozen=True)
class PostgresServer:
    """A running PostgreSQL that lets everybody on this machine in.

    Attributes:
        endpoint: URL of the maintenance database.
        port: its TCP port.
        pids: id of the postmaster.
    """

    endpoint: str
    port: int
    pids: tuple[int, ...]

    def create_database(self) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = f"test_{uuid4().hex[:12]}"
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user=USER, dbname="postgres")
        try:
            # CREATE DATABASE refuses to run in a transaction.
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {name}")
        finally:
            connection.close()
        return f"postgresql+psycopg2://{USER}@127.0.0.1:{self.port}/{name}"


@contextmanager
def start(*, fsync: bool = False, max_connections: int = 200) -> Iterator[PostgresServer]:
    """Start a server; as user ``postgres`` when we are root, since it refuses to run as root.

    Args:
        fsync: whether commits survive a crash of the machine; off is faster.
        max_connections: how many clients it serves at once.

    Raises:
        ServerMissingError: PostgreSQL is not installed.
        ServerError: it did not come up.
    """
    programs, owner = _programs(), "postgres" if os.geteuid() == 0 else None
    with server_folder("postgres", owner=owner) as folder:
        data, port = folder / "data", free_port()
        initdb = ["-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        run([str(programs / "initdb"), *initdb], user=owner)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            # Everybody comes by TCP; a socket would add the limit of 107 bytes to the folder's path.
            "unix_socket_directories": "",
            "fsync": "on" if fsync else "off",
            "synchronous_commit": "on" if fsync else "off",
            "full_page_writes": "on" if fsync else "off",
            "max_connections": str(max_connections),
        }
        argv = [str(programs / "postgres"), "-D", str(data)]
        argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # SIGINT ends it without waiting for clients that are still connected.
        daemon = Daemon("postgres", argv, folder / "log", user=owner, stop_signal=signal.SIGINT)
        with running(daemon):
            daemon.wait_ready(lambda: accepts_connections(port) and _answers(port))
            yield PostgresServer(f"postgresql://{USER}@127.0.0.1:{port}/postgres", port, (daemon.pid,))


def _programs() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    folders = [folder for folder in folders if (folder / "initdb").exists()]
    if not folders:
        raise ServerMissingError("not installed: initdb in /usr/lib/postgresql/*/bin (apt: postgresql)")
    return folders[-1]


def _answers(port: int) -> bool:
    try:
        psycopg2.connect(host="127.0.0.1", port=port, user=USER, dbname="postgres", connect_timeout=2).close()
    except psycopg2.OperationalError as error:
        if "starting up" in str(error):
            return False
        raise
    return True
