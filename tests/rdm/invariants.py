# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What must hold of a draft whatever has happened: the fault tests' checker, for the files of a draft."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from oarepo_s3.uploads.states import State
from tests.faults import invariants
from tests.faults.invariants import Sent, multipart_checksum

from .world import Repository

__all__ = ["Sent", "check"]

NOT_READABLE = (403, 404)
"""Answers to who asks for content that is not there: a pending file is not of a kind that people may read."""


@dataclass
class Checker(invariants.Checker):
    """Looks at everything of one draft."""

    world: Repository

    def released(self, upload: Any) -> bool:
        """Deleting a file takes everything back at once, also while the store is yet to be cleared."""
        return super().released(upload) or (upload.state == State.ABORTING and upload.active_slot is None)

    def read_record(self) -> dict[str, Any] | None:
        """The draft's metadata."""
        query = (
            "SELECT d.json FROM rdm_test_drafts d JOIN pidstore_pid p ON p.object_uuid = d.id WHERE p.pid_value = :pid"
        )
        rows = self.world.rows(query, pid=self.pid)
        return rows[0].json if rows else None

    def _previous_versions(self) -> Iterator[str]:
        """A key that was deleted has older versions and no readable head; more than one head it never has."""
        for key in {version.key for version in self.versions}:
            heads = [version for version in self.versions if version.key == key and version.is_head]
            if len(heads) > 1:
                yield f"{key}: its heads are {heads}"

    def _readers(self) -> Iterator[str]:
        for key, sent in self.sent.items():
            heads = [version for version in self.versions if version.key == key and version.is_head]
            readable = [version for version in heads if version.readable]
            answer = self.world.reader.read(self.pid, key)
            if not readable:
                if answer.status not in NOT_READABLE:
                    yield f"{key}: nothing is readable, but readers get {answer}"
            elif answer.status != 200 or answer.content not in sent.new:
                yield f"{key}: readers get {answer}"
            elif readable[-1].checksum != multipart_checksum(answer.content):
                yield f"{key}: the checksum {readable[-1].checksum} is not that of what readers get"

    def _entries(self) -> Iterator[str]:
        query = (
            "SELECT f.key, f.object_version_id, f.json FROM rdm_test_draft_files f JOIN pidstore_pid p"
            " ON p.object_uuid = f.record_id WHERE p.pid_value = :pid AND f.json IS NOT NULL"
        )
        by_id = {version.version_id: version for version in self.versions}
        rows = self.world.rows(query, pid=self.pid)
        for row in rows:
            version = by_id.get(row.object_version_id)
            if version is None or version.key != row.key or not version.is_head:
                yield f"{row.key}: the draft lists {row.object_version_id}, which is {version}"
                continue
            transfer = row.json["transfer"]["type"]
            if transfer != ("L" if version.readable else "M"):
                yield f"{row.key}: its transfer is {transfer}, and its version {version}"
        heads = {version.key for version in self.versions if version.is_head and version.file_id is not None}
        if heads != {row.key for row in rows}:
            yield f"the draft lists {sorted(row.key for row in rows)}, the heads are {sorted(heads)}"

    def _quota(self, bucket_id: Any) -> Iterator[str]:
        """Deleting a key takes the size of its head off, and leaves a marker; all other versions count.

        Counted here, as the package's own check goes by the uploads' clock, which the tests move.
        """
        size = self.world.rows("SELECT size FROM files_bucket WHERE id = :id", id=bucket_id)[0].size
        following = {}
        for version in reversed(self.versions):
            following[version.version_id], following[version.key] = following.get(version.key), version
        counted = [
            version.size
            for version in self.versions
            if version.file_id is not None
            and ((after := following[version.version_id]) is None or after.file_id is not None)
        ]
        if size != sum(counted):
            yield f"the bucket's size is {size}, its files make {sum(counted)}"


def check(world: Repository, pid: str, sent: Mapping[str, bytes], *, settled: bool) -> None:
    """Check all that is known of a draft.

    Args:
        sent: what was sent, by key.
        settled: whether nothing may be pending any more.

    Raises:
        AssertionError: something is wrong; the text says what.
    """
    known = {key: Sent(None, (content,)) for key, content in sent.items()}
    wrong = list(Checker(world, pid, known, settled).faults())
    assert not wrong, wrong
