# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What has arrived of an upload, as answers show it."""

from typing import Any

from ..uploads.description import PartsReport, arrived

PAGE = 1000
"""Parts on a page of what has arrived, as in the listings of S3."""


def page_of(report: PartsReport, page: int, url: str) -> dict[str, Any]:
    """State, plan, missing ranges, and a page of the parts that have arrived.

    :param page: number of the page, from 1.
    :param url: address of the report without a query, for the links.
    """
    upload, shown = report.upload, report.parts[(page - 1) * PAGE : page * PAGE]
    links = {"self": f"{url}?page={page}"}
    if len(report.parts) > page * PAGE:
        links["next"] = f"{url}?page={page + 1}"
    return {
        "key": upload.key,
        "id": str(upload.id),
        "state": str(upload.state),
        "expires_at": upload.expires_at.isoformat(),
        "plan": {"size": upload.size, "part_size": upload.part_size, "parts_count": upload.parts_count},
        "parts_total": len(report.parts),
        "parts": arrived(shown),
        "missing": [list(span) for span in report.missing],
        "links": links,
    }
