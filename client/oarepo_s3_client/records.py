# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""A record's files and the journal, asked by either client."""

import ssl
from collections.abc import Callable
from pathlib import Path

from oarepo_s3_client import api
from oarepo_s3_client.downloads import Download
from oarepo_s3_client.events import Event
from oarepo_s3_client.flows import Context, Flow
from oarepo_s3_client.journal import Journal, default_folder
from oarepo_s3_client.pacing import Pacing
from oarepo_s3_client.servers.discovery import target_of
from oarepo_s3_client.stores import Stores
from oarepo_s3_client.uploads import Upload


def make_context(options: api.Options, emit: Callable[[Event], None], tls: ssl.SSLContext) -> Context:
    """What all flows of a client share."""
    return Context(
        options=options,
        stores=Stores(options.timeout, lambda: tls, options.proxy),
        emit=emit,
        journal=Journal(options.state_dir or default_folder()),
        pacing=Pacing(options.limit_rate),
    )


def list_files(context: Context, target: str) -> Flow[list[api.FileInfo]]:
    """Files of a record."""
    _, files = yield from context.discover(target_of(target), context.asking("", ""))
    return files


def status(context: Context, target: str, key: str) -> Flow[api.UploadStatus]:
    """The upload of a file at the server."""
    face = yield from context.face(target_of(target), context.asking("", key))
    return (yield from face.status(key))


def abort(context: Context, target: str, key: str) -> Flow[None]:
    """Abort the pending upload of a file, and forget what the journal says of it."""
    face = yield from context.face(target_of(target), context.asking("", key))
    yield from face.abort(key)
    for entry in context.journal.entries():
        if (entry.kind, entry.target, entry.key) == ("upload", target_of(target).url, key):
            context.journal.remove(entry.transfer)


def delete(context: Context, target: str, key: str) -> Flow[None]:
    """Delete a file."""
    face = yield from context.face(target_of(target), context.asking("", key))
    yield from face.delete(key)


def resumed(context: Context, transfer: str, cancel: api.Cancel) -> tuple[str, Flow[api.Uploaded | api.Downloaded]]:
    """The target and the flow of a transfer in the journal, named by its id or its path.

    Raises:
        NotFound: there is none.
    """
    entry = context.journal.find(transfer)
    if entry.kind == "download":
        return entry.target, Download(context, entry.target, entry.key, Path(entry.path), cancel).run()
    item = api.UploadItem(entry.path, entry.key)
    return entry.target, Upload(context, item, entry.target, cancel).run()
