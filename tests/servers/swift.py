# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""OpenStack Swift with its S3 interface, from the wheel ``swift``: account, container, object and proxy server."""

import os
import pwd
import sys
from collections.abc import Iterator, Mapping
from configparser import RawConfigParser
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

from .folder import server_folder
from .process import Daemon, ServerMissingError, accepts_connections, free_port, running
from .s3 import S3Server

BACKENDS = ("account", "container", "object")
# tempauth calls users ACCOUNT:USER, and the S3 interface uses that name as the access key.
ACCESS_KEY = "test:tester"

Sections = Mapping[str, Mapping[str, str | int]]


@contextmanager
def start(*, min_part_size: int = 5 << 20, allow_origin: str | None = None) -> Iterator[S3Server]:
    """Start the four servers, with one replica on one device and without memcached.

    Args:
        min_part_size: bytes that each part but the last must have.
        allow_origin: origin of the pages whose scripts may use it, or ``*``.

    Raises:
        ServerMissingError: Swift is not installed.
        ServerError: a server did not come up.
    """
    if find_spec("swift") is None:
        raise ServerMissingError("not installed: swift (pip: swift)")
    secret_key = uuid4().hex
    with server_folder("swift") as folder, ExitStack() as stack:
        ports = {name: free_port() for name in (*BACKENDS, "proxy")}
        _configure_cluster(folder, ports)
        for name in BACKENDS:
            _write(folder / f"{name}.conf", _backend(folder, name, ports[name]))
        _write(folder / "proxy.conf", _proxy(folder, ports["proxy"], secret_key, min_part_size, allow_origin))
        # Started all at once: none of them needs another before the first request.
        daemons = [_start(folder, name) for name in ports]
        stack.enter_context(running(*daemons))
        for name, daemon in zip(ports, daemons, strict=True):
            daemon.wait_ready(partial(accepts_connections, ports[name]))
        pids, port = tuple(daemon.pid for daemon in daemons), ports["proxy"]
        yield S3Server(f"http://127.0.0.1:{port}", port, ACCESS_KEY, secret_key, "us-east-1", pids)


def _start(folder: Path, name: str) -> Daemon:
    package = "obj" if name == "object" else name
    call = f"from swift.{package}.server import main; raise SystemExit(main())"
    argv = [sys.executable, "-c", call, str(folder / f"{name}.conf"), "--verbose"]
    return Daemon(f"swift {name} server", argv, folder / f"{name}.log")


def _configure_cluster(folder: Path, ports: Mapping[str, int]) -> None:
    # Imported here: the other servers have to start where Swift is not installed.
    from swift.common.ring import RingBuilder

    (folder / "devices" / "disk").mkdir(parents=True)
    _write(
        folder / "swift.conf", {"swift-hash": {"swift_hash_path_prefix": "tests", "swift_hash_path_suffix": "tests"}}
    )
    for name in BACKENDS:
        builder = RingBuilder(part_power=1, replicas=1, min_part_hours=0)
        address = {"ip": "127.0.0.1", "port": ports[name]}
        replication = {"replication_ip": "127.0.0.1", "replication_port": ports[name]}
        builder.add_dev(address | replication | {"region": 1, "zone": 1, "device": "disk", "weight": 1.0})
        builder.rebalance()
        builder.get_ring().save(str(folder / f"{name}.ring.gz"))


def _common(folder: Path, port: int) -> dict[str, str | int]:
    return {
        "bind_ip": "127.0.0.1",
        "bind_port": port,
        "user": pwd.getpwuid(os.geteuid()).pw_name,
        "swift_dir": str(folder),
        "devices": str(folder / "devices"),
        "mount_check": "false",
        "disable_fallocate": "true",
        "fallocate_reserve": 0,
        # One process that serves all requests in green threads, so that its id is the server's.
        "workers": 0,
        "log_level": "WARNING",
    }


def _backend(folder: Path, name: str, port: int) -> Sections:
    return {
        "DEFAULT": _common(folder, port),
        "pipeline:main": {"pipeline": f"{name}-server"},
        f"app:{name}-server": {"use": f"egg:swift#{name}"},
    }


def _proxy(folder: Path, port: int, secret_key: str, min_part_size: int, allow_origin: str | None) -> Sections:
    cors = {} if allow_origin is None else {"cors_allow_origin": allow_origin}
    preflight = {} if allow_origin is None else {"cors_preflight_allow_origin": allow_origin}
    filters = ("catch_errors", "gatekeeper", "listing_formats", "bulk", "s3api", "tempauth", "copy", "slo")
    return {
        "DEFAULT": _common(folder, port) | cors,
        "pipeline:main": {"pipeline": " ".join((*filters, "proxy-server"))},
        "app:proxy-server": {
            "use": "egg:swift#proxy",
            "account_autocreate": "true",
            "allow_account_management": "true",
        },
        **{f"filter:{name}": {"use": f"egg:swift#{name}"} for name in filters},
        "filter:s3api": {
            "use": "egg:swift#s3api",
            "location": "us-east-1",
            "max_upload_part_num": 10000,
            "min_segment_size": min_part_size,
            **preflight,
        },
        "filter:slo": {"use": "egg:swift#slo", "max_manifest_segments": 10000, "max_manifest_size": 32 << 20},
        "filter:tempauth": {
            "use": "egg:swift#tempauth",
            f"user_{ACCESS_KEY.replace(':', '_')}": f"{secret_key} .admin",
        },
    }


def _write(path: Path, sections: Sections) -> None:
    parser = RawConfigParser()
    for name, values in sections.items():
        if name != "DEFAULT":
            parser.add_section(name)
        for option, value in values.items():
            parser.set(name, option, str(value))
    with path.open("w", encoding="utf-8") as output:
        parser.write(output)
