# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Uploads a file, downloads it again, compares the two, and shows what was asked of whom."""

import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from .api import Api, TransferError
from .progress import Progress
from .settings import Settings
from .sizes import format_bytes
from .traffic import Exchange, TrafficLog
from .upload import Uploader

FILE_SIZE = 64 * 2**20
FILE_NAME = "measurements.bin"
CLIENT = "oarepo-s3-demo"
BLOCK = 2**20


class Walkthrough:
    """One file's way into the store and back."""

    def __init__(self, settings: Settings) -> None:
        """Use the servers of the demo, which have to run."""
        self._path = settings.path("files", FILE_NAME)
        self._log = TrafficLog(settings.path("traffic.log"))
        self._api = Api(settings.url, settings.token, CLIENT)

    def run(self) -> None:
        """Do it and print it.

        Raises:
            TransferError: a step failed, the file came back changed, or bytes of it went through Invenio.
        """
        digest = generate(self._path, FILE_SIZE)
        record = self._api.call("POST", "/draft/records/", {"title": "Measurements of a quiet night"})
        print(f"\nDraft record   {record['links']['self']}")
        files_url = f"{record['links']['self']}/files/"
        self._upload(files_url)
        downloaded = self._download(f"{files_url}{FILE_NAME}")
        if downloaded != digest:
            raise TransferError(f"SHA-256 differs: {digest} went up, {downloaded} came down")
        print(f"SHA-256        {digest}, the same both ways")
        self._report()

    def _upload(self, files_url: str) -> None:
        print(f"Upload         {FILE_NAME}, {format_bytes(FILE_SIZE)}, in parts put to the store in parallel")
        progress = Progress(FILE_SIZE, sys.stdout)
        uploader = Uploader(self._api, progress.add, lambda sent: self._log_store("PUT of a part", received=sent))
        began = time.monotonic()
        file = uploader.upload(files_url, FILE_NAME, self._path)
        print(f"               complete after {time.monotonic() - began:.1f} s, checksum {file['checksum']}")

    def _download(self, url: str) -> str:
        """Return the SHA-256 of what comes by the redirect."""
        redirect = self._api.request("GET", url)
        location = redirect.headers.get("Location", "")
        if redirect.status != 302 or not location:
            raise TransferError(f"GET {urlsplit(url).path}: {redirect.status} instead of a redirect")
        print(f"Download       by the redirect to {urlsplit(location).netloc}")
        digest, received, began = hashlib.sha256(), 0, time.monotonic()
        progress = Progress(FILE_SIZE, sys.stdout)
        with urllib3.PoolManager(retries=False).request("GET", location, preload_content=False) as answer:
            if answer.status != 200:
                raise TransferError(f"the store answers {answer.status} to the download")
            for block in answer.stream(BLOCK):
                digest.update(block)
                received += len(block)
                progress.add(len(block))
        self._log_store("GET of the file", sent=received)
        print(f"               complete after {time.monotonic() - began:.1f} s")
        return digest.hexdigest()

    def _log_store(self, operation: str, **counts: int) -> None:
        self._log.write(Exchange("store", CLIENT, operation, file_bytes=sum(counts.values()), **counts))

    def _report(self) -> None:
        exchanges = [exchange for exchange in self._log.read() if exchange.client == CLIENT]
        print("\nAsked of whom")
        for server, name in (("invenio", "Invenio"), ("store", "the store")):
            _print_table(name, [exchange for exchange in exchanges if exchange.server == server])
        through = sum(exchange.file_bytes for exchange in exchanges if exchange.server == "invenio")
        if through:
            raise TransferError(f"{through} bytes of files went through Invenio")


def generate(path: Path, size: int) -> str:
    """Write a file of random bytes and return its SHA-256."""
    digest, left = hashlib.sha256(), size
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while left:
            block = os.urandom(min(BLOCK, left))
            file.write(block)
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def _print_table(name: str, exchanges: Sequence[Exchange]) -> None:
    print(f"  {name}: {len(exchanges)} requests, of the file {_total(exchanges, 'file_bytes'):,} B")
    for operation, count in Counter(exchange.request for exchange in exchanges).items():
        same = [exchange for exchange in exchanges if exchange.request == operation]
        sizes = {word: _total(same, field) for field, word in (("received", "in"), ("sent", "out"))}
        bodies = "  ".join(f"{format_bytes(size):>8} {word:3}" if size else " " * 12 for word, size in sizes.items())
        print(f"    {count:3}  {operation:<64} {bodies}".rstrip())


def _total(exchanges: Sequence[Exchange], field: str) -> int:
    return sum(getattr(exchange, field) for exchange in exchanges)
