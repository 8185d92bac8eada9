# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What a test of this tier works with: the repository in real processes behind the fault proxies."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from invenio_db import db
from invenio_files_rest.models import Bucket

from tests.faults.database_proxy import DatabaseProxy
from tests.faults.proxy import WAIT_SECONDS, FaultProxy
from tests.faults.world import PART, POOL, SIZE, STACK_NAME, World, content_of, patiently
from tests.servers.process import wait_until
from tests.stack import stack as stack_module
from tests.stack.servers import Servers
from tests.stack.stack import Stack

from . import services
from .application import create_app, create_tables
from .client import Depositor, entry, entry_of

__all__ = ["ATTEMPTS", "PART", "SIZE", "Repository", "content_of", "repository"]

ATTEMPTS = 2
POOL_OF_TWO = {**POOL, "pool_size": 2, "max_overflow": 0, "pool_timeout": 20}
"""Two connections for the eight requests of a worker: enough, as none keeps one while it waits for the store."""


@dataclass
class Repository(World):
    """The repository; ``app`` is one in this process, without proxies, inside its context."""

    @cached_property
    def owner(self) -> Depositor:
        """Who makes the drafts."""
        return self.user(services.OWNER)

    @cached_property
    def reader(self) -> Depositor:
        """Who may look at drafts and change nothing."""
        return self.user(services.PREVIEWER)

    def user(self, name: str | None) -> Depositor:
        """Somebody."""
        return Depositor(self.stack.url, name)

    def add_record(self) -> str:
        """Make a draft, and return its number."""
        return self.owner.create_draft()

    def bucket_of(self, pid: str) -> uuid.UUID:
        """The bucket of a draft, or of the record that has come of it; deleted or not."""
        query = (
            "SELECT coalesce(d.bucket_id, r.bucket_id) AS bucket_id FROM pidstore_pid p"
            " LEFT JOIN rdm_test_drafts d ON d.id = p.object_uuid LEFT JOIN rdm_test_records r ON r.id = p.object_uuid"
            " WHERE p.pid_value = :pid"
        )
        return uuid.UUID(str(self.rows(query, pid=pid)[0].bucket_id))

    def bucket_size(self, pid: str) -> int:
        """What the database has for the size of a draft's bucket."""
        size: int = self.rows("SELECT size FROM files_bucket WHERE id = :id", id=self.bucket_of(pid))[0].size
        return size

    def set_bucket(self, pid: str, **facts: Any) -> None:
        """Change quota, lock and so on."""
        bucket = db.session.get(Bucket, self.bucket_of(pid), populate_existing=True)
        for name, value in facts.items():
            setattr(bucket, name, value)
        db.session.commit()

    # what people do ---------------------------------------------------------------------------------------------------

    def open(self, pid: str, key: str, content: bytes, **fields: Any) -> dict[str, Any]:
        """Begin an upload, and return the links of its file."""
        answer = patiently(lambda: self.owner.init(pid, entry(key, len(content), **fields)))
        links: dict[str, Any] = entry_of(answer, key)["links"]
        return links

    def uploading(self, pid: str, key: str, content: bytes) -> dict[str, Any]:
        """Begin an upload and put all its parts."""
        links = self.open(pid, key, content)
        self.owner.put_parts(links, content)
        return links

    def upload(self, pid: str, key: str, content: bytes) -> None:
        """Bring a file to a draft, all the way.

        Extracting metadata is waited for: Invenio answers 500 to whoever changes a file in the same moment as its task.
        """
        self.uploading(pid, key, content)
        patiently(lambda: self.owner.commit(pid, key))
        wait_until(lambda: self._is_extracted(pid, key), seconds=WAIT_SECONDS, what=f"{key} was not looked at")

    def _is_extracted(self, pid: str, key: str) -> bool:
        return self.owner.read_file(pid, key).body["metadata"] is not None

    # what is at the store ---------------------------------------------------------------------------------------------

    def at_store(self, pid: str) -> tuple[int, int]:
        """How many uploads and how many objects the store has of what was ever uploaded to a draft."""
        query = "SELECT s3_key FROM oarepo_s3_uploads WHERE bucket_id = :id"
        keys = [row.s3_key for row in self.rows(query, id=self.bucket_of(pid))]
        return self.at_store_of(keys)

    def at_store_of(self, keys: list[str]) -> tuple[int, int]:
        """The same for keys of the store."""
        uploads = objects = 0
        for key in keys:
            uploads += len(self.s3.list_multipart_uploads(Bucket=self.s3_bucket, Prefix=key).get("Uploads", ()))
            objects += len(self.s3.list_objects_v2(Bucket=self.s3_bucket, Prefix=key).get("Contents", ()))
        return uploads, objects

    def states(self, pid: str) -> dict[str, str]:
        """State of the newest upload of each key of a draft."""
        query = "SELECT key, state FROM oarepo_s3_uploads WHERE bucket_id = :id ORDER BY created"
        return {row.key: row.state for row in self.rows(query, id=self.bucket_of(pid))}


@contextmanager
def repository(servers: Servers, *, threads: int = 8, nodes: int = 1, **settings: Any) -> Iterator[Repository]:
    """Start the repository over the servers, with a fresh database and the store's bucket.

    Args:
        threads: requests that each of the two web workers serves at once.
        nodes: Celery workers.
        settings: of the application, on top of ours.
    """
    with ExitStack() as stack:
        store_proxy = stack.enter_context(FaultProxy(servers.ceph.port))
        database_proxy = stack.enter_context(DatabaseProxy(servers.postgres.port))
        direct_url = servers.postgres.create_database() + "?sslmode=disable&gssencmode=disable"
        s3_bucket = servers.ceph.create_bucket()
        app = create_app(direct_url, **_configuration(servers, servers.ceph.endpoint))
        stack.enter_context(app.app_context())
        stack.callback(db.engine.dispose)
        stack.callback(db.session.remove)
        create_tables(s3_bucket)
        proxied_url = direct_url.replace(f":{servers.postgres.port}/", f":{database_proxy.port}/")
        configuration = _configuration(servers, store_proxy.endpoint) | settings
        running: Stack = stack.enter_context(
            stack_module.start(
                {"SQLALCHEMY_DATABASE_URI": f"{proxied_url}&application_name={STACK_NAME}", **configuration},
                broker_url=servers.broker.endpoint,
                threads=threads,
                nodes=nodes,
                application="tests.rdm.served",
            )
        )
        s3 = servers.ceph.client()
        yield Repository(servers, s3_bucket, running, store_proxy, database_proxy, app, s3, db.engine)


def _configuration(servers: Servers, endpoint: str) -> dict[str, Any]:
    return {
        "TESTING": False,
        "SQLALCHEMY_ENGINE_OPTIONS": POOL_OF_TWO,
        "S3_ENDPOINT_URL": endpoint,
        "S3_ACCESS_KEY_ID": servers.ceph.access_key,
        "S3_SECRET_ACCESS_KEY": servers.ceph.secret_key,
        "S3_REGION_NAME": servers.ceph.region,
        "S3_MULTIPART_MIN_PART_SIZE": 1,
        "S3_MULTIPART_STORE_ATTEMPTS": ATTEMPTS,
        "S3_MULTIPART_BUSY_WAIT": 5,
        "S3_MULTIPART_PART_SIZE": PART,
    }
