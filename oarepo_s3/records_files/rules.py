# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The views of an endpoint and the paths below a file that they have, for any blueprint."""

from collections.abc import Mapping

from flask.typing import RouteCallable

from .endpoints import Endpoint
from .legacy_views import LEGACY_VIEWS
from .resource import VIEW_NAMES, FilesView
from .upload_views import AbortResource, CompleteResource, PartsResource, SignResource
from .views import FileResource, FilesResource

_UPLOAD_VIEWS: Mapping[str, tuple[str, type[FilesView]]] = {
    "complete-multipart": ("complete", CompleteResource),
    "abort-multipart": ("abort", AbortResource),
    "parts-multipart": ("parts", PartsResource),
    "sign-multipart": ("sign", SignResource),
}


def list_view(endpoint: Endpoint) -> RouteCallable:
    """The view of the list of files."""
    return FilesResource.as_view(VIEW_NAMES["files"].format(endpoint=endpoint.code), endpoint=endpoint)


def file_view(endpoint: Endpoint) -> RouteCallable:
    """The view of a file."""
    return FileResource.as_view(VIEW_NAMES["file"].format(endpoint=endpoint.code), endpoint=endpoint)


def upload_views(endpoint: Endpoint) -> dict[str, RouteCallable]:
    """The views of an upload, by the path below the file."""
    ours = {
        path: view.as_view(VIEW_NAMES[name].format(endpoint=endpoint.code), endpoint=endpoint)
        for path, (name, view) in _UPLOAD_VIEWS.items()
    }
    legacy = {
        path: view.as_view(view.view_name.format(endpoint=endpoint.code), endpoint=endpoint)
        for path, view in LEGACY_VIEWS.items()
    }
    return {**ours, **legacy}
