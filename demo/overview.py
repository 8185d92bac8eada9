# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The page that lists records, their files and pending uploads, and lets people upload by a browser."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, current_app, render_template
from invenio_files_rest.models import ObjectVersion
from invenio_pidstore.models import PersistentIdentifier, PIDStatus
from invenio_records_files.api import Record

from oarepo_s3.errors import StoreError
from oarepo_s3.proxies import current_uploads
from oarepo_s3.uploads.models import Upload

from .sizes import format_bytes

MOST_RECORDS = 50

blueprint = Blueprint("demo", __name__, template_folder="templates", static_folder="static", static_url_path="/static")
blueprint.add_app_template_filter(format_bytes, "bytes")


@dataclass(frozen=True)
class PendingUpload:
    """An upload that has not ended; what has arrived is None while the store does not answer."""

    key: str
    state: str
    size: int
    part_size: int
    started: datetime
    expires_at: datetime
    abort_url: str
    arrived_parts: int | None
    arrived_bytes: int | None


@dataclass(frozen=True)
class StoredFile:
    """A file that can be read."""

    key: str
    size: int
    checksum: str
    url: str


@dataclass(frozen=True)
class DraftRecord:
    """A record with all that belongs to it."""

    pid: str
    title: str
    url: str
    files: Sequence[StoredFile]
    uploads: Sequence[PendingUpload]


@blueprint.get("/")
def page() -> str:
    """The whole page."""
    return render_template("page.html", **_facts())


@blueprint.get("/overview")
def overview() -> str:
    """Only what changes, for the script of the page."""
    return render_template("overview.html", **_facts())


@blueprint.after_app_request
def protect(response: Response) -> Response:
    """Let pages load scripts and styles of ours only, and talk to nobody but us and the store."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self' {current_app.config['DEMO_STORE_URL']}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _facts() -> dict[str, Any]:
    return {"records": _records(), "tasks": _last_tasks(), "now": datetime.now(UTC)}


def _records() -> list[DraftRecord]:
    pids = (
        PersistentIdentifier.query.filter_by(pid_type="recid", status=PIDStatus.REGISTERED)
        .order_by(PersistentIdentifier.id.desc())
        .limit(MOST_RECORDS)
    )
    return [_record(pid_value, uuid) for pid_value, uuid in [(pid.pid_value, pid.object_uuid) for pid in pids]]


def _record(pid_value: str, uuid: Any) -> DraftRecord:
    url = f"/draft/records/{quote(pid_value)}"
    record = Record.get_record(uuid)
    title, bucket_id = str(record.get("title", "Untitled")), record.bucket_id
    files = [
        StoredFile(version.key, version.file.size, version.file.checksum or "", f"{url}/files/{quote(version.key)}")
        for version in ObjectVersion.get_by_bucket(bucket_id)
        if version.file is not None and version.file.readable
    ]
    uploads = [_pending(upload, url) for upload in current_uploads.pending(bucket_id)]
    return DraftRecord(pid_value, title, url, files, uploads)


def _pending(upload: Upload, record_url: str) -> PendingUpload:
    try:
        parts = current_uploads.parts(upload).parts
        arrived: tuple[int | None, int | None] = len(parts), sum(part.size for part in parts)
    except StoreError:
        arrived = None, None
    abort_url = f"{record_url}/files/{quote(upload.key)}/abort-multipart"
    return PendingUpload(
        upload.key, upload.state, upload.size, upload.part_size, upload.created, upload.expires_at, abort_url, *arrived
    )


def _last_tasks() -> list[dict[str, Any]]:
    """What the last run of each scheduled task has done."""
    files = sorted(Path(current_app.config["DEMO_FOLDER"], "tasks").glob("*.json"))
    tasks = [json.loads(file.read_text("utf-8")) for file in files]
    return [task | {"at": datetime.fromisoformat(task["at"])} for task in tasks]
