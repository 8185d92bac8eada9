# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What all the S3 servers have in common: where they are, how to sign for them, a few calls of set-up."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import boto3
from botocore.client import Config


@dataclass(frozen=True)
class S3Server:
    """A running S3 server.

    Attributes:
        endpoint: URL without a path, ``http://127.0.0.1:PORT``.
        port: its TCP port.
        access_key: key id of a user who may create buckets.
        secret_key: the secret of that user.
        region: what to sign for.
        pids: ids of its processes.
    """

    endpoint: str
    port: int
    access_key: str
    secret_key: str = field(repr=False)
    region: str
    pids: tuple[int, ...]

    def client(self, **options: Any) -> Any:
        """Return a boto3 client of the server's user: SigV4, path style, checksums only where required.

        Args:
            options: arguments of ``boto3.client`` that replace ours, such as the keys of another user.
        """
        settings: dict[str, Any] = {
            "endpoint_url": self.endpoint,
            "region_name": self.region,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "config": Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"mode": "standard", "total_max_attempts": 5},
            ),
        }
        return boto3.client("s3", **(settings | options))

    def create_bucket(self, name: str | None = None) -> str:
        """Create a bucket, with a name of its own unless one is given, and return its name."""
        name = name or f"bucket-{uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name
