# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Entry points of oarepo-records-draft: its draft endpoints get uploads without any code of theirs.

``oarepo_records_draft.uploaders`` is asked for each new file, within the transaction of the caller;
``oarepo_records_draft.extra_actions`` gives the views that its blueprint adds below an endpoint. The views are those of
our own blueprint.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Request
from flask.typing import RouteCallable
from invenio_db import db

from ..api import MultipartUpload
from ..proxies import current_uploads
from ..rest.bodies import read_form_or_object
from ..rest.fields import load
from ..uploads import sessions
from ..uploads.claiming import check_same
from ..uploads.models import Upload, slot_of
from ..uploads.opening import OpenRequest
from ..uploads.plan import make_plan
from ..uploads.states import State
from .deletion import connect
from .endpoints import Endpoint
from .entries import metadata_of
from .legacy_views import exempt_from_csrf
from .owner import entry_of_upload
from .permissions import FilePermissions, nobody
from .resource import VIEW_NAMES, wanted_numbers
from .rules import upload_views
from .schemas import QUERY_FIELDS, NewUpload, QuerySchema, new_upload

Body = Callable[[], dict[str, Any]]


def multipart_uploader(
    record: Any,
    key: str,
    files: Any,
    pid: Any,
    request: Request,
    endpoint: Any,
    resolver: Callable[..., str],
    **kwargs: Any,
) -> Body | None:
    """Open a multipart upload if the request asks for one by ``?multipart=True``.

    :param files: ``FilesIterator`` of the record, which the caller has locked.
    :param resolver: gives the absolute address of a view: ``resolver(view_name, key=key)``, where the name has
        ``{endpoint}`` in it.
    :returns: a callable that gives the body of the answer, or None to let others handle the file.
    :raises OARepoS3Error: the upload could not be opened.
    """
    if not load(QuerySchema(), request.args)["multipart"]:
        return None
    given = {name: request.args[name] for name in QUERY_FIELDS & request.args.keys()} | read_form_or_object()
    wanted = new_upload({**given, "key": key})
    urls = {
        name: resolver(VIEW_NAMES[view], key=key)
        for name, view in (
            ("complete_url", "complete"), ("abort_url", "abort"), ("parts_page_url", "parts"), ("sign_url", "sign"),
        )
    }  # fmt: skip
    upload = _resumed(files.bucket.id, wanted) or _opened(files, wanted, urls)
    session = current_uploads.session(upload, wanted_numbers(wanted.parts, upload.parts_count), **urls)
    return lambda: {
        **entry_of_upload(upload, None, metadata_of(files.filesmap.get(key))),
        "multipart_upload": session,
        "expiration": upload.expires_at.isoformat(),
        "uploadId": upload.public_id,
    }


def multipart_actions(
    code: str, files: Mapping[str, Any], rest_endpoint: Any, extra: Any, is_draft: bool
) -> dict[str, RouteCallable]:
    """The views of uploads for an endpoint, by their path below a record.

    :param code: name of the endpoint.
    :param files: its options: ``put_file_factory`` and so on; what has no factory is denied to everybody.
    """
    connect()
    exempt_from_csrf()
    endpoint = Endpoint(
        code=code,
        files_rule="files",
        record_class=None,
        permissions=FilePermissions(files, nobody),
        file_view=f".{code}_file",
    )
    return {f"files/<path:key>/{path}": view for path, view in upload_views(endpoint).items()}


def _resumed(bucket_id: Any, wanted: NewUpload) -> Upload | None:
    """The upload of the same file that is open already, or None.

    :raises UploadExists: there is one of another size, plan or content.
    """
    active = sessions.get_active(db.session, slot_of(bucket_id, wanted.key))
    if active is None or active.state is not State.OPEN or active.expires_at <= current_uploads.context.clock():
        return None
    plan = make_plan(wanted.size, current_uploads.context.limits, part_size=wanted.part_size)
    request = OpenRequest(
        bucket_id, wanted.key, wanted.size, part_size=wanted.part_size, fingerprint=wanted.fingerprint
    )
    check_same(active, request, plan)
    return active


def _opened(files: Any, wanted: NewUpload, urls: Mapping[str, str]) -> Upload:
    files[wanted.key] = MultipartUpload(
        key=wanted.key,
        base_uri=files.bucket.location.uri,
        size=wanted.size,
        part_size=wanted.part_size,
        content_type=wanted.content_type,
        fingerprint=wanted.fingerprint,
        complete_url=urls["complete_url"],
        abort_url=urls["abort_url"],
    )
    opened = sessions.get_active(db.session, slot_of(files.bucket.id, wanted.key))
    assert opened is not None  # no other storage takes such an assignment
    return opened
