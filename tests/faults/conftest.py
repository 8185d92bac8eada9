# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The servers are started once; what runs on them is the business of each module."""

from collections.abc import Iterator

import pytest

from tests.servers.availability import available
from tests.stack import servers as servers_module
from tests.stack.servers import Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL, RabbitMQ and Ceph that can be restarted without losing anything."""
    with available(servers_module.start()) as running:
        yield running
