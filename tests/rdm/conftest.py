# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The servers and the repository are started once for all tests of the tier."""

from collections.abc import Iterator

import pytest

from tests.servers.availability import available
from tests.stack import servers as servers_module
from tests.stack.servers import Servers

from .world import Repository
from .world import repository as repository_of


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL, RabbitMQ and Ceph."""
    with available(servers_module.start(objectstore="memstore")) as running:
        yield running


@pytest.fixture(scope="session")
def repository(servers: Servers) -> Iterator[Repository]:
    """The repository with two web workers and a Celery worker, and nothing wrong with it."""
    with repository_of(servers) as running:
        yield running


@pytest.fixture
def pid(repository: Repository) -> str:
    """A new draft of ``owner``."""
    return repository.add_record()
