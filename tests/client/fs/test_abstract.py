# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""fsspec's own suites for any filesystem: those of content over a real record, the many about trees over the fake."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from fsspec.tests import abstract

from oarepo_s3_client.fs import RecordFileSystem
from tests.client.fs.conftest import open_record
from tests.client.repository import Repository
from tests.client.scenarios.fake_rdm import FakeRDM


class Fixtures(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(self, fake: FakeRDM) -> RecordFileSystem:
        return open_record(fake.target)

    @pytest.fixture
    def fs_path(self) -> str:
        return "folder"

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *names: "/".join(names)

    @pytest.fixture
    def local_path(self, tmp_path: Any) -> str:
        return os.fspath(tmp_path)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(Fixtures, abstract.AbstractCopyTests):
    pass


class TestGet(Fixtures, abstract.AbstractGetTests):
    pass


class TestPut(Fixtures, abstract.AbstractPutTests):
    pass


class RealFixtures(Fixtures):
    @pytest.fixture
    def fs(self, rclone_repository: Repository) -> RecordFileSystem:
        return open_record(rclone_repository.add_record())


class TestOpen(RealFixtures, abstract.AbstractOpenTests):
    pass


class TestPipe(RealFixtures, abstract.AbstractPipeTests):
    pass
