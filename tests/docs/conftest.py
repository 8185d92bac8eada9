# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The pages as a browser gets them, and a record to try the examples on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PROJECT
from tests.integration.records_app import Clock, RecordsWorld, records_world


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of built pages: those that this run of the tests has built already, or else new ones."""
    run = os.environ.get("OAREPO_S3_RUN_FOLDER")
    if run and Path(run, "docs", "index.html").exists():
        return Path(run, "docs")
    target = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(target)]
    built = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return target


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RecordsWorld]:
    """An application with a fake store and record 1."""
    with records_world(f"sqlite:///{tmp_path / 'docs.db'}", Clock()) as world:
        world.add_record()
        yield world
