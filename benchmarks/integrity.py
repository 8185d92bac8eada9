# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The verified checksum of a file of 1 GiB: bytes that Invenio reads back for it, and seconds; stock against ours.

The file goes up in 64 parts, straight to Ceph RGW. What is measured begins with the commit and ends when the file has a
checksum that somebody has verified: ours at the answer to the commit, stock when its task has read the file back. The
store is asked through a proxy that counts what it sends of objects' content; ``seconds_commit`` is the request alone.
"""

import hashlib
import time
from typing import Any
from urllib.parse import urlsplit

import urllib3
from invenio_db import db
from invenio_files_rest.models import FileInstance
from invenio_records_resources.services.files.tasks import recompute_multipart_checksum_task

from tests.rdm.application import Choice
from tests.servers.ceph import CephServer

from ._rdm import SIDES, Side, new_key, servers, side, urls_of
from ._traffic import Traffic, counted

MIB = 2**20
PARTS = 64
PART = 16 * MIB


def run() -> dict[str, Any]:
    """Measure."""
    content = bytes(range(256)) * (PART // 256)
    with servers() as (store, database_url), counted(store.endpoint) as traffic:
        result: dict[str, Any] = {"file_bytes": PARTS * PART}
        for choice in SIDES:
            with side(choice, store, database_url, S3_ENDPOINT_URL=traffic.endpoint) as measured:
                result[choice] = _measure(choice, measured, store, traffic, content)
    return result


def _measure(choice: Choice, measured: Side, store: CephServer, traffic: Traffic, content: bytes) -> dict[str, Any]:
    files, key = measured.add_draft(), new_key()
    _put(urls_of(measured.init(files, key, PARTS, PART), key), content, store)
    traffic.read()
    began = time.perf_counter()
    answer = measured.ask("POST", f"{files}/{key}/commit")
    committed = time.perf_counter() - began
    assert answer.status_code == 200, answer.get_data(as_text=True)
    if choice == "stock":
        recompute_multipart_checksum_task(answer.json["file_id"])
    seconds = time.perf_counter() - began
    _check(answer.json["file_id"], content)
    return {"bytes_read_back": traffic.read(), "seconds": seconds, "seconds_commit": committed}


def _put(urls: list[str], content: bytes, store: CephServer) -> None:
    """Put the parts past the proxy; the URLs are signed for its host."""
    pool = urllib3.HTTPConnectionPool("127.0.0.1", store.port)
    for url in urls:
        parts = urlsplit(url)
        answer = pool.request("PUT", f"{parts.path}?{parts.query}", body=content, headers={"Host": parts.netloc})
        assert answer.status == 200, answer.status


def _check(file_id: str, content: bytes) -> None:
    """The checksum is that of the content."""
    db.session.expire_all()
    checksum = db.session.get(FileInstance, file_id).checksum
    whole, digest = hashlib.md5(), hashlib.md5(content).digest()
    for _ in range(PARTS):
        whole.update(content)
    expected = {
        f"md5:{whole.hexdigest()}",
        f"multipart:{hashlib.md5(digest * PARTS).hexdigest()}-{PARTS}-{PART}",
    }
    assert checksum in expected, checksum
