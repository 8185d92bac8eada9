# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Ceph's RADOS gateway on a cluster of one monitor and one OSD; needs no systemd, no manager and not even root."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from .folder import server_folder
from .process import Daemon, ServerMissingError, accepts_connections, free_port, run, running
from .s3 import S3Server

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
TENANT = "acme"
START_SECONDS = 60.0

Value = str | int | float


@dataclass(frozen=True)
class CephServer(S3Server):
    """A running gateway with two users: one without a tenant, the other in the tenant ``acme``.

    Attributes:
        tenant: name of the second user's tenant.
        tenant_access_key: key id of the second user.
        tenant_secret_key: the secret of the second user.
        configuration: path of the cluster's ceph.conf.
    """

    tenant: str
    tenant_access_key: str
    tenant_secret_key: str = field(repr=False)
    configuration: Path

    def admin(self, *arguments: str) -> Any:
        """Run ``radosgw-admin`` and return its answer, decoded; None when it prints nothing."""
        answer = run(_admin(self.configuration, *arguments))
        return json.loads(answer) if answer.strip() else None


@contextmanager
def start(
    *,
    objectstore: Literal["memstore", "bluestore"] = "memstore",
    min_part_size: int | None = None,
    lifecycle_day: int | None = None,
    settings: Mapping[str, Value] | None = None,
) -> Iterator[CephServer]:
    """Start a cluster and its gateway.

    Args:
        objectstore: ``memstore`` keeps at most 4 GiB in memory and starts in a second; ``bluestore`` keeps 16 GiB in a
            sparse file.
        min_part_size: bytes that each part but the last must have; Ceph's default is 5 MiB.
        lifecycle_day: seconds that a day takes for lifecycle rules; they run by the clock unless given.
        settings: more lines for ceph.conf.

    Raises:
        ServerMissingError: a program of Ceph is not installed.
        ServerError: a daemon did not come up.
    """
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        raise ServerMissingError(f"not installed: {', '.join(missing)} (apt: ceph-mon ceph-osd ceph-common radosgw)")
    chosen: dict[str, Value] = {"osd_objectstore": objectstore}
    if min_part_size is not None:
        chosen["rgw_multipart_min_part_size"] = min_part_size
    if lifecycle_day is not None:
        chosen["rgw_lc_debug_interval"] = lifecycle_day
    with server_folder("ceph") as folder, ExitStack() as stack:
        port = free_port()
        configuration = _configure(folder, port, chosen | dict(settings or {}))
        pids = [stack.enter_context(daemon(folder, configuration)) for daemon in (_monitor, _osd)]
        users = _create_user(configuration, "tester"), _create_user(configuration, "tester", "--tenant", TENANT)
        pids.append(stack.enter_context(_gateway(folder, configuration, port)))
        yield CephServer(
            endpoint=f"http://127.0.0.1:{port}",
            port=port,
            access_key=users[0][0],
            secret_key=users[0][1],
            region="us-east-1",
            pids=tuple(pids),
            tenant=TENANT,
            tenant_access_key=users[1][0],
            tenant_secret_key=users[1][1],
            configuration=configuration,
        )


def _configure(folder: Path, port: int, chosen: dict[str, Value]) -> Path:
    for name in ("mon", "osd", "crash"):
        (folder / name).mkdir()
    common: dict[str, Value] = {
        "fsid": str(uuid4()),
        "mon_host": f"[v2:127.0.0.1:{free_port()}/0]",
        "run_dir": str(folder),
        "crash_dir": str(folder / "crash"),
        "mon_data": str(folder / "mon"),
        "osd_data": str(folder / "osd"),
        "rgw_data": str(folder),
        "keyring": str(folder / "keyring"),
        "log_file": str(folder / "$name.log"),
        "mon_cluster_log_file": str(folder / "cluster.log"),
        # Unix sockets have a limit of 107 bytes for their paths, and nobody asks the daemons anything.
        "admin_socket": "",
    }
    configuration = folder / "ceph.conf"
    lines = [f"{name} = {value}" for name, value in (common | _TUNING | _gateway_settings(port) | chosen).items()]
    configuration.write_text("[global]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (folder / "keyring").touch()
    return configuration


_TUNING: dict[str, Value] = {
    "auth_cluster_required": "none",
    "auth_service_required": "none",
    "auth_client_required": "none",
    "public_addr": "127.0.0.1",
    "cluster_addr": "127.0.0.1",
    "ms_bind_msgr1": "false",
    # Without keys there is nothing to encrypt with: the gateway would wait 300 s for a secure connection.
    "ms_mon_client_mode": "crc",
    # The monitors' waits are meant for elections among several: with one they only delay the start by 10 s.
    "paxos_propose_interval": 0.05,
    "paxos_min_wait": 0.01,
    "mon_tick_interval": 1,
    "mon_allow_pool_size_one": "true",
    "mon_warn_on_pool_no_redundancy": "false",
    "mon_max_pg_per_osd": 1000,
    "osd_pool_default_size": 1,
    "osd_pool_default_min_size": 1,
    "osd_pool_default_pg_num": 1,
    "osd_pool_default_pgp_num": 1,
    "osd_pool_default_pg_autoscale_mode": "off",
    "rgw_rados_pool_pg_num_min": 1,
    "osd_crush_chooseleaf_type": 0,
    "osd_class_load_list": "*",
    "osd_class_default_list": "*",
    "memstore_device_bytes": 4 << 30,
    "bluestore_block_size": 16 << 30,
    "bluestore_block_create": "true",
}


def _gateway_settings(port: int) -> dict[str, Value]:
    return {
        # Without tcp_nodelay a small answer waits 40 ms: 23 uploads are created in a second instead of 500.
        "rgw_frontends": f"beast endpoint=127.0.0.1:{port} tcp_nodelay=1",
        "rgw_thread_pool_size": 64,
        "rgw_run_sync_thread": "false",
        # Deleted data would stay for two hours, in memory.
        "rgw_gc_obj_min_wait": 30,
        "rgw_gc_processor_period": 30,
        "rgw_gc_processor_max_time": 30,
    }


@contextmanager
def _monitor(folder: Path, configuration: Path) -> Iterator[int]:
    values = dict(line.split(" = ") for line in configuration.read_text(encoding="utf-8").splitlines() if " = " in line)
    address, fsid, monmap = values["mon_host"].replace("/0", ""), values["fsid"], str(folder / "monmap")
    run(["monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, monmap])
    run(["ceph-mon", "--mkfs", "-i", "a", "-c", str(configuration), "--monmap", monmap])
    port = int(address.rstrip("]").rpartition(":")[2])
    daemon = _daemon("ceph-mon", "ceph-mon", "-f", "-i", "a", "-c", str(configuration), folder=folder)
    with running(daemon):
        daemon.wait_ready(lambda: accepts_connections(port), seconds=START_SECONDS)
        yield daemon.pid


@contextmanager
def _osd(folder: Path, configuration: Path) -> Iterator[int]:
    uuid = str(uuid4())
    run(["ceph", "-c", str(configuration), "--connect-timeout", "30", "osd", "new", uuid, "0"])
    run(["ceph-osd", "--mkfs", "-i", "0", "-c", str(configuration), "--osd-uuid", uuid])
    daemon = _daemon("ceph-osd", "ceph-osd", "-f", "-i", "0", "-c", str(configuration), folder=folder)
    with running(daemon):
        # No wait: what radosgw-admin asks of the cluster waits for the OSD by itself.
        yield daemon.pid


@contextmanager
def _gateway(folder: Path, configuration: Path, port: int) -> Iterator[int]:
    daemon = _daemon("radosgw", "radosgw", "-f", "-n", "client.rgw.a", "-c", str(configuration), folder=folder)
    with running(daemon):
        daemon.wait_ready(lambda: accepts_connections(port), seconds=START_SECONDS)
        yield daemon.pid


def _daemon(name: str, *argv: str, folder: Path) -> Daemon:
    return Daemon(name, argv, folder / f"{name}.output")


def _admin(configuration: Path, *arguments: str) -> list[str]:
    # As client.admin: under the gateway's own name the two would fight for one socket.
    return ["radosgw-admin", "-c", str(configuration), "-n", "client.admin", *arguments]


def _create_user(configuration: Path, name: str, *arguments: str) -> tuple[str, str]:
    access_key, secret_key = uuid4().hex[:20].upper(), uuid4().hex
    keys = ("--access-key", access_key, "--secret-key", secret_key)
    run(_admin(configuration, "user", "create", "--uid", name, "--display-name", name, *keys, *arguments))
    return access_key, secret_key
