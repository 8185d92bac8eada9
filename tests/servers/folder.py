# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Where a run of the tests keeps the state of its servers."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RUN_FOLDER_VARIABLE = "OAREPO_S3_RUN_FOLDER"
PROJECT = Path(__file__).resolve().parents[2]


def run_folder() -> Path:
    """Return the folder of this run; ``run-tests.sh`` names it, otherwise it is ``.run/<our process id>``."""
    named = os.environ.get(RUN_FOLDER_VARIABLE)
    folder = Path(named) if named else PROJECT / ".run" / str(os.getpid())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def server_folder(name: str, *, owner: str | None = None) -> Iterator[Path]:
    """Yield a fresh folder for one server's state and remove it at the end; after an error it stays for a look.

    Args:
        name: how the folder's name begins.
        owner: system user that has to own the folder; only root can give it away. Where that user cannot reach the
            folder of the run (a project in root's home), the folder is made among the temporary files.
    """
    reachable = owner is None or subprocess.run(["test", "-x", str(run_folder())], user=owner).returncode == 0
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=run_folder() if reachable else None))
    if owner is not None:
        shutil.chown(folder, owner, owner)
    yield folder
    shutil.rmtree(folder)
    _remove_own_run_folder()


def _remove_own_run_folder() -> None:
    """Remove the run folder when it was ours alone and holds nothing any more but the list of ids."""
    folder = run_folder()
    if RUN_FOLDER_VARIABLE not in os.environ and {path.name for path in folder.iterdir()} <= {"pids"}:
        shutil.rmtree(folder)
