# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Certificates are checked, always, at the repository and at the store."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.client import repository as repository_module
from tests.client.cli.program import Program
from tests.client.repository import PART, Repository
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server
from tests.store.tls_proxy import Certificate, TLSProxy, make_certificate


@dataclass(frozen=True)
class World:
    """A repository and a store with TLS, and certificates of two authorities that no system trusts."""

    repository: Repository
    store: TLSProxy
    certificates: tuple[Certificate, Certificate]

    def add_record(self) -> str:
        """Make a record, and return its address."""
        return self.repository.add_record().replace("http://", "https://")

    def bundle(self, folder: Path, *chosen: int) -> Path:
        """A file of the authorities that are to be trusted."""
        path = folder / "authorities.pem"
        pems = [self.certificates[number].path.read_text() for number in chosen]
        path.write_text("".join(pem[: pem.index("-----BEGIN PRIVATE KEY")] for pem in pems))
        return path


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, rclone: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    one, other = (make_certificate(tmp_path_factory.mktemp(name), name) for name in ("one", "other"))
    with pytest.MonkeyPatch.context() as patch, TLSProxy(other, rclone.port) as store:
        patch.setenv("GUNICORN_CMD_ARGS", f"--certfile {one.path} --keyfile {one.path}")
        with repository_module.start(postgres, rclone, S3_PUBLIC_ENDPOINT_URL=store.endpoint) as repository:
            yield World(repository, store, (one, other))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "data.bin"
    made.write_bytes(bytes(range(256)) * (5 * PART // 256))
    return made


def test_private_authorities_are_trusted_if_the_user_says_so(
    program: Program, world: World, path: Path, tmp_path: Path
) -> None:
    target, bundle = world.add_record(), world.bundle(tmp_path, 0, 1)
    program.run("upload", path, target, "--ca-bundle", bundle)
    user = program.with_environment(OAREPO_S3_CA_BUNDLE=str(bundle))
    user.run("download", target, "data.bin", "-o", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_repository_that_is_not_trusted_is_not_asked(
    program: Program, world: World, path: Path, tmp_path: Path
) -> None:
    untrusted = path.rename(tmp_path / "untrusted.bin")
    target = world.add_record()
    for options in ([], ["--ca-bundle", world.bundle(tmp_path, 1)]):
        done = program.run("upload", untrusted, target, *options, code=1)
        assert "certificate" in done.err
        assert len(done.err.splitlines()) == 1
    assert world.repository.states("untrusted.bin") == []


def test_store_that_is_not_trusted_gets_no_file(program: Program, world: World, path: Path, tmp_path: Path) -> None:
    target = world.add_record()
    before = world.store.handshakes_refused
    done = program.run("upload", "--json", path, target, "--ca-bundle", world.bundle(tmp_path, 0), code=1)
    assert "certificate" in done.err + done.out
    assert world.store.handshakes_refused > before
    assert done.of_type("part") == []


def test_file_that_is_no_bundle_is_told(program: Program, world: World, path: Path) -> None:
    assert "authorities" in program.run("upload", path, world.add_record(), "--ca-bundle", path, code=2).err
