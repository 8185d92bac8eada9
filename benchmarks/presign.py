# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Signing 10,000 part URLs of one upload: CPU time against botocore, and against the bare hash and HMAC.

``ratio_botocore`` is the time of ``generate_presigned_url`` over ours, ``ratio_limit`` ours over the bare limit;
``ratio_limit_pinned`` is the same with a pinned content length. The bare limit does for each part nothing but hash a
canonical request and compute the HMAC of a string to sign, in the fastest way known for CPython: from copies of SHA-256
states that have been fed with all that parts share. It makes no URL and checks nothing.

The three take turns, so that a change of the processor's speed meets them all, and the medians of the rounds count.
``identical`` tells whether a sample of the URLs, plain and pinned, equals botocore's byte for byte.
"""

import base64
import gc
import hashlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import botocore.session
from botocore.config import Config

from oarepo_s3.store.presign import Credentials, PartSigner, Presigner

PARTS = 10_000
ROUNDS = 15
# botocore needs about half a millisecond for a URL: a share of the parts is measured in each round.
BOTOCORE_PARTS = 500
SAMPLE = range(1, PARTS + 1, 20)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ENDPOINT, REGION = "https://s3.example.org", "us-east-1"
CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
BUCKET, KEY = "repository", "9f/3c/1c7e-4d0a-4b52-9a55-0d6f2a4b8c11/data"
UPLOAD_ID = "x8Jm0p3VnQeYt5LwKc7uRbS1dGfHaZo_" * 3  # about as long as those of AWS; the request has 400 bytes
EXPIRES_IN, PART_SIZE = 3600, 16 * 2**20


def part_signer() -> PartSigner:
    """Our signer of the upload."""
    presigner = Presigner(endpoint_url=ENDPOINT, region=REGION, credentials=lambda: CREDENTIALS, clock=lambda: NOW)
    return presigner.upload(s3_bucket=BUCKET, key=KEY, upload_id=UPLOAD_ID, expires_in=EXPIRES_IN)


def botocore_signer() -> Callable[..., str]:
    """The same by botocore: a function of the part number and further parameters."""
    client = botocore.session.Session().create_client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS.access_key,
        aws_secret_access_key=CREDENTIALS.secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )

    def url(part_number: int, **pinned: Any) -> str:
        parameters = {"Bucket": BUCKET, "Key": KEY, "PartNumber": part_number, "UploadId": UPLOAD_ID, **pinned}
        signed: str = client.generate_presigned_url("upload_part", Params=parameters, ExpiresIn=EXPIRES_IN)
        return signed

    return url


@contextmanager
def botocore_clock() -> Iterator[None]:
    """Stop botocore's clock at NOW."""
    with mock.patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        yield


def identical() -> bool:
    """Whether each URL of the sample, plain and pinned, equals botocore's."""
    ours, theirs = part_signer(), botocore_signer()
    with botocore_clock():
        for number in SAMPLE:
            md5 = base64.b64encode(hashlib.md5(str(number).encode(), usedforsecurity=False).digest()).decode()
            length = PART_SIZE + number
            pairs = (
                (ours.url(number), theirs(number)),
                (ours.url(number, content_length=length), theirs(number, ContentLength=length)),
                (
                    ours.url(number, content_length=length, content_md5=md5),
                    theirs(number, ContentLength=length, ContentMD5=md5),
                ),
            )
            if any(our != their for our, their in pairs):
                return False
    return True


def sign_ours() -> None:
    """Prepare the signer and make each URL."""
    url = part_signer().url
    for number in range(1, PARTS + 1):
        url(number)


def sign_ours_pinned() -> None:
    """The same with the content length pinned."""
    url = part_signer().url
    for number in range(1, PARTS + 1):
        url(number, content_length=PART_SIZE)


def sign_bare() -> None:
    """One SHA-256 of a canonical request and one HMAC-SHA256 of a string to sign for each part, and nothing else."""
    scope = f"{NOW:%Y%m%d}/{REGION}/s3/aws4_request"
    before = (
        f"PUT\n/{BUCKET}/{KEY}\nX-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={CREDENTIALS.access_key}%2F{scope.replace('/', '%2F')}&X-Amz-Date={NOW:%Y%m%dT%H%M%SZ}"
        f"&X-Amz-Expires={EXPIRES_IN}&X-Amz-SignedHeaders=host&partNumber="
    )
    rest = f"12345&uploadId={UPLOAD_ID}\nhost:s3.example.org\n\nhost\nUNSIGNED-PAYLOAD".encode()
    key = bytes(64)
    request = hashlib.sha256(before.encode()).copy
    inner_pad = bytes(byte ^ 0x36 for byte in key)
    inner = hashlib.sha256(inner_pad + f"AWS4-HMAC-SHA256\n{NOW:%Y%m%dT%H%M%SZ}\n{scope}\n".encode()).copy
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key)).copy
    for _ in range(PARTS):
        canonical_request = request()
        canonical_request.update(rest)
        message = inner()
        message.update(canonical_request.hexdigest().encode())
        signature = outer()
        signature.update(message.digest())
        signature.hexdigest()


def cpu_time(work: Callable[[], None]) -> float:
    """CPU seconds that the work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure() -> dict[str, float]:
    """Median CPU seconds per URL of each contestant."""
    theirs = botocore_signer()

    def sign_botocore() -> None:
        for number in range(1, BOTOCORE_PARTS + 1):
            theirs(number)

    contestants = {
        "ours": (sign_ours, PARTS),
        "ours_pinned": (sign_ours_pinned, PARTS),
        "limit": (sign_bare, PARTS),
        "botocore": (sign_botocore, BOTOCORE_PARTS),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    gc.collect()
    with botocore_clock():
        for _ in range(ROUNDS):
            for name, (work, count) in contestants.items():
                times[name].append(cpu_time(work) / count)
    return {name: statistics.median(values) for name, values in times.items()}


def run() -> dict[str, object]:
    """Measure and compare."""
    same = identical()
    seconds = measure()
    return {
        "ratio_botocore": round(seconds["botocore"] / seconds["ours"], 1),
        "ratio_limit": round(seconds["ours"] / seconds["limit"], 2),
        "ratio_limit_pinned": round(seconds["ours_pinned"] / seconds["limit"], 2),
        "identical": same,
        "urls_per_s": round(1 / seconds["ours"]),
        "microseconds_per_url": {name: round(value * 1e6, 3) for name, value in seconds.items()},
        "parts": PARTS,
        "rounds": ROUNDS,
    }
