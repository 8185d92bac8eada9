# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Fixtures of the contract suite."""

from collections.abc import Iterator

import pytest

from tests.store.stores import CHECKING, FACTS, REAL, StoreCase, connect, fake_store
from tests.store.tls_proxy import Certificate, TLSProxy, make_certificate


def _case(name: str, request: pytest.FixtureRequest) -> StoreCase:
    if name.startswith("fake"):
        return StoreCase(FACTS[name], fake_store(name), "bucket")
    server = request.getfixturevalue(name)
    return StoreCase(FACTS[name], connect(server), server.create_bucket(), server)


@pytest.fixture(params=list(FACTS))
def case(request: pytest.FixtureRequest) -> StoreCase:
    """Each store in turn, with an empty bucket."""
    return _case(request.param, request)


@pytest.fixture(params=REAL)
def real_case(request: pytest.FixtureRequest) -> StoreCase:
    """Each store that is no fake."""
    return _case(request.param, request)


@pytest.fixture(params=CHECKING)
def checking_case(request: pytest.FixtureRequest) -> StoreCase:
    """Each real store that checks signatures and what they cover."""
    return _case(request.param, request)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1, signed by itself."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["ceph", "rclone"])
def tls_case(request: pytest.FixtureRequest, certificate: Certificate) -> Iterator[StoreCase]:
    """A store behind a proxy that ends TLS; those two take chunks with checksums wrongly, and only over TLS."""
    server = request.getfixturevalue(request.param)
    with TLSProxy(certificate, server.port) as proxy:
        options = {"endpoint_url": proxy.endpoint, "region_name": server.region, "verify": str(certificate.path)}
        yield StoreCase(FACTS[request.param], connect(server, client_kwargs=options), server.create_bucket(), server)
