# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A client of the repository's API: it sends what the deposit form and nrp-cmd send, and follows the links it gets."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tests.stack.client import Answer, Client


class Depositor(Client):
    """Whoever asks; threads may share it."""

    # drafts and records -----------------------------------------------------------------------------------------------

    def create_draft(self) -> str:
        """Make a draft, and return its number."""
        answer = self.ask("POST", f"{self.url}/records", json={"metadata": {"title": "of a test"}})
        assert answer.status == 201, answer
        pid: str = answer.body["id"]
        return pid

    def publish(self, pid: str) -> Answer:
        """Publish a draft."""
        return self.ask("POST", f"{self.draft_url(pid)}/actions/publish")

    def edit(self, pid: str) -> Answer:
        """Make a draft of a published record."""
        return self.ask("POST", self.draft_url(pid))

    def new_version(self, pid: str) -> Answer:
        """Make a draft of a record's next version."""
        return self.ask("POST", f"{self.url}/records/{pid}/versions")

    def import_files(self, pid: str) -> Answer:
        """Take over the files of the version before."""
        return self.ask("POST", f"{self.draft_url(pid)}/actions/files-import")

    def delete_draft(self, pid: str) -> Answer:
        """Delete a draft."""
        return self.ask("DELETE", self.draft_url(pid))

    # files ------------------------------------------------------------------------------------------------------------

    def init(self, pid: str, *entries: Mapping[str, Any]) -> Answer:
        """Begin uploads."""
        return self.ask("POST", self.files_url(pid), json=list(entries))

    def list_files(self, pid: str) -> Answer:
        """List the files of a draft."""
        return self.ask("GET", self.files_url(pid))

    def read_file(self, pid: str, key: str) -> Answer:
        """What is known of a file."""
        return self.ask("GET", self.file_url(pid, key))

    def commit(self, pid: str, key: str) -> Answer:
        """Complete an upload."""
        return self.ask("POST", f"{self.file_url(pid, key)}/commit")

    def delete_file(self, pid: str, key: str) -> Answer:
        """Delete a file, or give up an upload."""
        return self.ask("DELETE", self.file_url(pid, key))

    def delete_all(self, pid: str) -> Answer:
        """Delete all files of a draft."""
        return self.ask("DELETE", self.files_url(pid))

    def put_content(self, pid: str, key: str, content: bytes) -> Answer:
        """Send a file by way of Invenio."""
        headers = {"Content-Type": "application/octet-stream"}
        return self.ask("PUT", f"{self.file_url(pid, key)}/content", body=content, headers=headers)

    def read(self, pid: str, key: str) -> Answer:
        """Download a file of a draft as a browser does: follow the redirection to the store."""
        return self._follow(f"{self.file_url(pid, key)}/content")

    def read_published(self, pid: str, key: str) -> Answer:
        """Download a file of a record."""
        return self._follow(f"{self.url}/records/{pid}/files/{quote(key)}/content")

    # uploads ----------------------------------------------------------------------------------------------------------

    def state(self, pid: str, key: str) -> Answer:
        """State of an upload, and the parts that have arrived."""
        return self.ask("GET", f"{self.file_url(pid, key)}/multipart")

    def sign(self, pid: str, key: str, parts: Any) -> Answer:
        """Fresh URLs of parts."""
        return self.ask("POST", f"{self.file_url(pid, key)}/multipart/sign", json={"parts": parts})

    def put_parts(
        self, links: Mapping[str, Any], content: bytes, numbers: Sequence[int] | None = None, *, part_size: int = 1000
    ) -> None:
        """Put parts to the URLs of ``links["parts"]``, with the headers that the deposit form sends.

        Raises:
            AssertionError: the store did not take one.
        """
        for part in links["parts"]:
            number = part["part"]
            if numbers is None or number in numbers:
                answer = self.send_part(part["url"], content[(number - 1) * part_size : number * part_size])
                assert answer.ok, f"part {number}: {answer}"

    def send_part(self, url: str, content: bytes) -> Answer:
        """Put one part."""
        digest = base64.b64encode(hashlib.md5(content).digest()).decode()
        headers = {"Content-Type": "application/octet-stream", "Content-MD5": digest}
        return self.ask("PUT", url, body=content, headers=headers)

    # addresses --------------------------------------------------------------------------------------------------------

    def draft_url(self, pid: str) -> str:
        """Where a draft is."""
        return f"{self.url}/records/{pid}/draft"

    def files_url(self, pid: str) -> str:
        """Where its files are."""
        return f"{self.draft_url(pid)}/files"

    def file_url(self, pid: str, key: str) -> str:
        """Where one of its files is."""
        return f"{self.files_url(pid)}/{quote(key)}"

    def _follow(self, url: str) -> Answer:
        answer = self.ask("GET", url)
        return self.ask("GET", answer.headers["Location"]) if answer.status == 302 else answer


def entry(
    key: str, size: int, *, part_size: int | None = 1000, parts: int | None = None, **fields: Any
) -> dict[str, Any]:
    """What begins an upload; the number of parts is reckoned from the part size unless it is given."""
    transfer: dict[str, Any] = {"type": "M"}
    if part_size is not None:
        transfer |= {"part_size": part_size, "parts": parts or -(-size // part_size)}
    elif parts is not None:
        transfer["parts"] = parts
    return {"key": key, "size": size, "transfer": transfer, **fields}


def entry_of(answer: Answer, key: str) -> dict[str, Any]:
    """The file of this key in an answer that lists some."""
    found: dict[str, Any] = next(one for one in answer.body["entries"] if one["key"] == key)
    return found
