# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Checksums: what a client says is verified or refused, and what is stored passes Invenio's own fixity check."""

import hashlib

import pytest

from tests.faults.invariants import multipart_checksum

from .client import entry, entry_of
from .invariants import check
from .world import PART, SIZE, Repository, content_of

KEY = "data.bin"
VERIFY = "invenio_files_rest.tasks.verify_checksum"


def test_stored_checksum_passes_the_fixity_task(repository: Repository, pid: str) -> None:
    repository.upload(pid, KEY, content_of(KEY))
    document = repository.owner.read_file(pid, KEY).body
    assert document["checksum"] == multipart_checksum(content_of(KEY))
    repository.stack.run(VERIFY, file_id=document["file_id"], pessimistic=True, throws=True)
    row = repository.rows("SELECT last_check, last_check_at FROM files_files WHERE id = :id", id=document["file_id"])[0]
    assert row.last_check is True
    assert row.last_check_at is not None


def test_fixity_task_notices_another_content(repository: Repository, pid: str) -> None:
    repository.upload(pid, KEY, content_of(KEY))
    document = repository.owner.read_file(pid, KEY).body
    uri = repository.rows("SELECT uri FROM files_files WHERE id = :id", id=document["file_id"])[0].uri
    s3_key = uri.removeprefix(f"s3://{repository.s3_bucket}/")
    repository.s3.put_object(Bucket=repository.s3_bucket, Key=s3_key, Body=b"x" * SIZE)
    repository.stack.run(VERIFY, file_id=document["file_id"], pessimistic=True, throws=False)
    row = repository.rows("SELECT last_check FROM files_files WHERE id = :id", id=document["file_id"])[0]
    assert row.last_check is False


def test_right_checksum_is_taken(repository: Repository, pid: str) -> None:
    content = content_of(KEY)
    answer = repository.owner.init(pid, entry(KEY, SIZE, checksum=multipart_checksum(content)))
    assert answer.status == 201, answer
    assert repository.rows(
        "SELECT checksum FROM files_files WHERE id = :id", id=entry_of(answer, KEY)["file_id"]
    ) == [(None,)], "what nobody has verified is stored"  # fmt: skip
    repository.owner.put_parts(entry_of(answer, KEY)["links"], content)
    done = repository.owner.commit(pid, KEY)
    assert done.status == 200, done
    assert done.body["checksum"] == multipart_checksum(content)
    check(repository, pid, {KEY: content}, settled=False)


def test_wrong_checksum_keeps_the_file_from_being_readable(repository: Repository, pid: str) -> None:
    content = content_of(KEY)
    answer = repository.owner.init(pid, entry(KEY, SIZE, checksum=multipart_checksum(content_of("another"))))
    links = entry_of(answer, KEY)["links"]
    repository.owner.put_parts(links, content)
    refused = repository.owner.commit(pid, KEY)
    assert refused.status == 409, refused
    assert refused.body["code"] == "parts_mismatch"
    assert repository.owner.read_file(pid, KEY).body["status"] == "pending"
    repository.owner.put_parts(links, content_of("another"))
    assert repository.owner.commit(pid, KEY).status == 200
    check(repository, pid, {KEY: content_of("another")}, settled=False)


@pytest.mark.parametrize(
    "checksum",
    [
        "md5:" + hashlib.md5(content_of(KEY)).hexdigest(),
        "sha256:" + hashlib.sha256(content_of(KEY)).hexdigest(),
        "nonsense",
        f"multipart:{'0' * 32}-2-{PART}",
        "multipart:",
    ],
)
def test_checksum_that_cannot_be_verified_is_refused(repository: Repository, pid: str, checksum: str) -> None:
    answer = repository.owner.init(pid, entry(KEY, SIZE, checksum=checksum))
    assert answer.status == 400, answer
    assert answer.body["code"] == "invalid_checksum"
    check(repository, pid, {}, settled=True)


def test_checksum_of_a_file_in_one_part_may_be_its_md5(repository: Repository, pid: str) -> None:
    """The composite ETag of one part is of the part's MD5, so a plain MD5 can be verified there, or is refused."""
    content = content_of(KEY)
    checksum = "md5:" + hashlib.md5(content).hexdigest()
    answer = repository.owner.init(pid, entry(KEY, SIZE, part_size=SIZE, checksum=checksum))
    assert answer.status in (201, 400), answer
    if answer.status == 201:
        repository.owner.put_parts(entry_of(answer, KEY)["links"], content, part_size=SIZE)
        assert repository.owner.commit(pid, KEY).status == 200
