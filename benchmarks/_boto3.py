# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Uploads a file in parts, or a folder of small files, by boto3; a program of its own, as its rivals are."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config


def main(endpoint: str, s3_bucket: str, path: str, lanes: str, part_size: str) -> None:
    """Upload; the keys of the store are in the environment."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        config=Config(
            s3={"addressing_style": "path"},
            max_pool_connections=int(lanes),
            # Without these checksums it is faster, and they are not what is compared.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    if Path(path).is_file():
        transfer = TransferConfig(
            multipart_threshold=int(part_size), multipart_chunksize=int(part_size), max_concurrency=int(lanes)
        )
        client.upload_file(path, s3_bucket, Path(path).name, Config=transfer)
        return
    one_by_one = TransferConfig(use_threads=False)
    with ThreadPoolExecutor(int(lanes)) as pool:
        for _ in pool.map(
            lambda file: client.upload_file(str(file), s3_bucket, f"boto3/{file.name}", Config=one_by_one),
            sorted(Path(path).iterdir()),
        ):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
