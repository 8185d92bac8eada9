# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""fsspec's own suites for any filesystem, over a real record."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from fsspec.tests import abstract

from oarepo_s3_client.fs import RecordFileSystem
from tests.client.fs.conftest import open_record
from tests.client.repository import Repository


class Fixtures(abstract.AbstractFixtures):
    @pytest.fixture(scope="class")
    def whole_record(self, rclone_repository: Repository) -> str:
        return rclone_repository.add_record()

    @pytest.fixture
    def fs(self, whole_record: str) -> RecordFileSystem:
        return open_record(whole_record)

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


class TestOpen(Fixtures, abstract.AbstractOpenTests):
    pass


class TestPipe(Fixtures, abstract.AbstractPipeTests):
    pass
