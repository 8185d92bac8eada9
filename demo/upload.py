# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A small uploader: what a client has to do, with nothing of the server's code."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import urllib3

from .api import Api, TransferError

LANES = 4
ATTEMPTS = 4
BLOCK = 256 * 1024
TIMEOUT = urllib3.Timeout(connect=5, read=60)

ByteObserver = Callable[[int], None]
Session = Mapping[str, Any]


class Uploader:
    """Uploads one file in parts, several at a time; goes on where an earlier try has stopped."""

    def __init__(self, api: Api, on_progress: ByteObserver, on_store_request: ByteObserver) -> None:
        """Make an uploader.

        Args:
            api: where uploads are opened and completed.
            on_progress: is told numbers of bytes as they go, negative ones when they have to go again.
            on_store_request: is told of each request to the store how many bytes it sends.
        """
        self._api = api
        self._on_progress = on_progress
        self._on_store_request = on_store_request
        self._store = urllib3.PoolManager(maxsize=LANES, retries=False, timeout=TIMEOUT)

    def upload(self, files_url: str, key: str, path: Path) -> Any:
        """Upload a file and return what Invenio says about it when it is complete.

        Args:
            files_url: the record's list of files, with a slash at the end.
            key: name of the file in the record.
            path: the file.

        Raises:
            TransferError: it could not be done, though each part was tried several times.
        """
        request = {"key": key, "size": path.stat().st_size}
        session = self._api.call("POST", f"{files_url}?multipart=True", request)["multipart_upload"]
        arrived = {part["part"] for part in self._api.call("GET", session["parts_page_url"])["parts"]}
        self._on_progress(sum(_length(session, number) for number in arrived))
        urls = {part["part"]: part["url"] for part in session["parts"]}
        missing = [number for number in range(1, session["parts_count"] + 1) if number not in arrived]
        with ThreadPoolExecutor(LANES) as lanes:
            # list() waits for all of them and raises what a lane has raised.
            list(lanes.map(lambda number: self._send(session, number, urls.get(number), path), missing))
        return self._api.call("POST", session["complete_url"], {})

    def _send(self, session: Session, number: int, url: str | None, path: Path) -> None:
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(2**attempt / 4)
            # A URL that did not work may have expired.
            url = self._sign(session, number) if url is None or attempt else url
            problem = self._put(session, number, url, path)
            if not problem:
                return
        raise TransferError(f"part {number} does not arrive at the store: {problem}")

    def _sign(self, session: Session, number: int) -> str:
        signed = self._api.call("POST", session["sign_url"], {"parts": str(number)})
        return str(signed["parts"][0]["url"])

    def _put(self, session: Session, number: int, url: str, path: Path) -> str:
        """Send a part once; return what went wrong, which holds no URL, or nothing."""
        sent, length = 0, _length(session, number)

        def body() -> Iterator[bytes]:
            nonlocal sent
            for block in _blocks(path, (number - 1) * session["part_size"], length):
                yield block
                sent += len(block)
                self._on_progress(len(block))

        self._on_store_request(length)
        try:
            answer = self._store.request("PUT", url, body=body(), headers={"Content-Length": str(length)})
            problem = "" if answer.status == 200 else f"the store answers {answer.status}"
        except urllib3.exceptions.HTTPError as error:
            problem = type(error).__name__
        if problem:
            self._on_progress(-sent)
        return problem


def _length(session: Session, number: int) -> int:
    start = (number - 1) * int(session["part_size"])
    return min(int(session["part_size"]), int(session["size"]) - start)


def _blocks(path: Path, start: int, length: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while length:
            block = file.read(min(BLOCK, length))
            if not block:
                raise TransferError(f"{path.name} has become shorter")
            length -= len(block)
            yield block
