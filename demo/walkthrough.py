# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Uploads a file by a client that is killed half-way and run again; downloads and compares it; shows the traffic."""

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
from .client import LANES, PART_SIZE, Uploader
from .progress import Progress
from .settings import Settings
from .sizes import format_bytes
from .store_proxy import StoreProxy
from .traffic import Exchange, TrafficLog

FILE_SIZE = 64 * 2**20
FILE_NAME = "measurements.bin"
CLIENT = "oarepo-s3-demo"
CLIENTS = (CLIENT, "oarepo-s3-client/")
"""How the names of those begin who ask in the walkthrough: itself, and the client that it runs."""

BLOCK = 2**20


class Walkthrough:
    """One file's way into the store and back."""

    def __init__(self, settings: Settings, proxy: StoreProxy) -> None:
        """Use the servers of the demo, which have to run."""
        self._settings = settings
        self._proxy = proxy
        self._path = settings.path("files", FILE_NAME)
        self._log = TrafficLog(settings.path("traffic.log"))
        self._api = Api(settings.url, settings.token, CLIENT)

    def run(self) -> None:
        """Do it and print it.

        Raises:
            DemoError: the client has failed.
            TransferError: another step failed, the file came back changed, or bytes of it went where they should not.
        """
        digest = generate(self._path, FILE_SIZE)
        record = self._api.call("POST", "/draft/records/", {"title": "Measurements of a quiet night"})
        url = record["links"]["self"]
        print(f"\nDraft record   {url}")
        self._upload(Uploader(self._settings, self._path, url))
        downloaded = self._download(f"{url}/files/{FILE_NAME}")
        if downloaded != digest:
            raise TransferError(f"SHA-256 differs: {digest} went up, {downloaded} came down")
        print(f"SHA-256        {digest}, the same both ways")
        self._report()

    def _upload(self, uploader: Uploader) -> None:
        print(f"Upload         $ {uploader.shown}", flush=True)
        uploader.run_until(self._proxy, FILE_SIZE // 2)
        print(f"Killed         by SIGKILL, when {format_bytes(self._proxy.put_bytes)} had gone to the store")
        print("Upload         $ the same command again", flush=True)
        uploader.run()
        twice, most = self._proxy.put_bytes - FILE_SIZE, LANES * PART_SIZE
        print(f"Sent twice     {format_bytes(twice)} of {format_bytes(FILE_SIZE)}", end="")
        print(f"; at most {LANES} lanes x {format_bytes(PART_SIZE)}")
        if not 0 <= twice <= most:
            raise TransferError(f"{twice} bytes were sent twice, and {most} are the most that a kill may cost")

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
        exchanges = [exchange for exchange in self._log.read() if exchange.client.startswith(CLIENTS)]
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
