# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""One suite for both clients: a scenario calls methods by name and does not know which client does them."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from oarepo_s3_client import AsyncClient, Client, Options
from oarepo_s3_client.events import Event
from tests.client import repository as repository_module
from tests.client.repository import TOKEN, Repository
from tests.servers.ceph import CephServer
from tests.servers.folder import server_folder
from tests.servers.postgres import PostgresServer
from tests.servers.process import accepts_connections
from tests.stack.processes import Restartable


@dataclass
class User:
    """Somebody with a client of either kind, and what the client has told.

    Attributes:
        kind: ``sync`` or ``async``.
        state_dir: the journal's folder: another one is another machine.
        options: that replace those of here.
        on_event: is called with each event, beside noting it.
    """

    kind: str
    state_dir: Path
    options: dict[str, Any] = field(default_factory=dict)
    on_event: Callable[[Event], None] | None = None
    events: list[Event] = field(default_factory=list)

    def __call__(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Make a client, call the method, close the client."""
        options = Options(**{"token": TOKEN, "state_dir": self.state_dir, **self.options})
        if self.kind == "async":
            return asyncio.run(self._call(options, method, arguments, named))
        with Client(options, on_event=self._note) as client:
            return getattr(client, method)(*arguments, **named)

    async def _call(self, options: Options, method: str, arguments: Any, named: Any) -> Any:
        async with AsyncClient(options, on_event=self._note) as client:
            return await getattr(client, method)(*arguments, **named)

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    def told(self, kind: str) -> list[Any]:
        """The events of a type, in order; afterwards they are forgotten."""
        found = [event for event in self.events if event.type == kind]
        self.events = [event for event in self.events if event.type != kind]
        return found


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which client."""
    return str(request.param)


@pytest.fixture
def user(kind: str, tmp_path: Path) -> User:
    """Somebody at a machine."""
    return User(kind, tmp_path / "state")


@pytest.fixture(params=["rclone", "ceph"])
def repository(request: pytest.FixtureRequest) -> Repository:
    """A repository before either store."""
    found: Repository = request.getfixturevalue(f"{request.param}_repository")
    return found


@pytest.fixture
def target(repository: Repository) -> str:
    """A new record."""
    return repository.add_record()


@pytest.fixture(scope="session")
def short_lived_repository(postgres: PostgresServer, ceph: CephServer) -> Iterator[Repository]:
    """A repository whose URLs live for 2 s."""
    # Straight to Ceph: the proxy passes a part on when it has all of it, and that would be too late.
    with repository_module.start(
        postgres, ceph, S3_MULTIPART_URL_EXPIRATION=2, S3_PUBLIC_ENDPOINT_URL=ceph.endpoint
    ) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(ceph: CephServer) -> Iterator[Restartable]:
    """Ceph's gateway, to be restarted."""
    with server_folder("restarted") as folder:
        pid = ceph.pids[-1]
        process = Restartable("radosgw", pid, folder / "log", lambda: accepts_connections(ceph.port))
        yield process
        process.stop()
