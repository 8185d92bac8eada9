# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What a new upload is asked for by, and what is answered."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from .models import Upload


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """What is asked for: sizes in bytes, ``expires`` in seconds, the rest as in the table of uploads."""

    bucket_id: uuid.UUID
    key: str
    size: int
    part_size: int | None = None
    parts_count: int | None = None
    content_type: str = "application/octet-stream"
    fingerprint: str | None = None
    checksum: str | None = None
    content_md5: str | None = None
    expires: int | None = None
    owner: str | None = None
    owner_data: dict[str, Any] = field(default_factory=dict)
    actor: str | None = None
    complete_url: str | None = None
    abort_url: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The upload, whether it was there before, and the one whose time was over and whose place it has taken."""

    upload: Upload
    resumed: bool
    replaced: Upload | None = None
