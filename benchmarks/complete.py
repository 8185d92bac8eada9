# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Completing an upload of 1, 100 and 10,000 parts: wall, CPU, SQL, calls of the store, bytes of the answer.

The whole request through the application, on PostgreSQL and Ceph RGW; the parts have one byte each, as what they hold
does not pass through the application. ``store_ms`` is what the same calls take without it, made one after the other
with boto3: what no server can save. The medians of the rounds count.
"""

import time
from typing import Any

from ._repository import PARTS, Repository, median_of, repository

ROUNDS = {1: 10, 100: 5, 10_000: 1}


def run() -> dict[str, Any]:
    """Measure."""
    result: dict[str, Any] = {}
    with repository() as found:
        for parts in PARTS:
            rounds = [_round(found, f"{turn}-{parts}", parts) for turn in range(ROUNDS[parts])]
            result[f"parts_{parts}"] = median_of(rounds)
    return result


def _round(found: Repository, key: str, parts: int) -> dict[str, float]:
    _uploaded(found, f"{key}-bare", parts)
    bare = _bare_calls(found, f"{key}-bare")
    _uploaded(found, key, parts)
    return found.measure(lambda: found.owner.act("complete", key)) | {"store_ms": bare}


def _uploaded(found: Repository, key: str, parts: int) -> None:
    answer = found.owner.open(key, size=parts, part_size=1, query="&parts=all")
    found.put_parts(answer.json["multipart_upload"], 1)


def _bare_calls(found: Repository, key: str) -> float:
    """Milliseconds of listing, completing and HEAD by boto3 alone."""
    upload = found.world.upload(key)
    client = found.app.extensions["oarepo-s3"].store._complete_client
    target = {"Bucket": upload.s3_bucket, "Key": upload.s3_key}
    began = time.perf_counter()
    pages = client.get_paginator("list_parts").paginate(**target, UploadId=upload.s3_upload_id)
    parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for page in pages for part in page["Parts"]]
    client.complete_multipart_upload(**target, UploadId=upload.s3_upload_id, MultipartUpload={"Parts": parts})
    client.head_object(**target)
    return (time.perf_counter() - began) * 1000
