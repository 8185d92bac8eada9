# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Which endpoints of invenio-records-rest get file paths, and with what options."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from invenio_base.utils import obj_or_import_string

from ..errors import ConfigurationError
from .permissions import FilePermissions, record_permissions

SETTING = "S3_MULTIPART_RECORDS_FILES_ENDPOINTS"
DEFAULT_FILES_PATH = "files"
_RECORD_CLASS = re.compile(r"record_class=[\"']([^\"']+)[\"']")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint whose records get file paths.

    :param code: its name in ``RECORDS_REST_ENDPOINTS``.
    :param files_rule: URL rule of the list of files, without a slash at the end.
    :param record_class: import path of the record class, or None for that of invenio-records-files.
    :param file_view: name of the view that downloads a file, for ``url_for``.
    :param shares_path: invenio-records-files serves list, GET, PUT and DELETE under the same path.
    :param restricted: option of downloads: True, False, or a callable that gets ``record=``, ``obj=``, ``key=``.
    :param as_attachment: the same.
    """

    code: str
    files_rule: str
    record_class: str | None
    permissions: FilePermissions
    file_view: str
    shares_path: bool = False
    restricted: Any = True
    as_attachment: Any = False
    search_class: Any = None
    search_index: Any = None


def endpoints_of(app: Flask) -> Iterator[Endpoint]:
    """The endpoints that the settings name, or all whose record class has files.

    :raises ConfigurationError: the settings name an endpoint that is not there.
    """
    configured: Mapping[str, Mapping[str, Any]] = app.config.get("RECORDS_REST_ENDPOINTS") or {}
    chosen: Mapping[str, Mapping[str, Any]] | None = app.config.get(SETTING)
    unknown = set(chosen or ()) - set(configured)
    if unknown:
        raise ConfigurationError(SETTING, f"RECORDS_REST_ENDPOINTS has no {', '.join(sorted(unknown))}")
    for code, settings in configured.items():
        record_class = _record_class(settings)
        if chosen is None and record_class is not None or chosen is not None and code in chosen:
            yield _endpoint(app, code, settings, (chosen or {}).get(code, {}), record_class)


def _endpoint(
    app: Flask, code: str, settings: Mapping[str, Any], options: Mapping[str, Any], record_class: Any
) -> Endpoint:
    path = str(options.get("files_path", DEFAULT_FILES_PATH)).strip("/")
    shared = path == _path_of_records_files(app, code)
    return Endpoint(
        code=code,
        files_rule=f"{settings['item_route'].rstrip('/')}/{path}",
        record_class=_import_path(record_class),
        permissions=FilePermissions(options, record_permissions(settings)),
        file_view=f"invenio_records_files.{code}_object_api" if shared else f".{code}_file",
        shares_path=shared,
        restricted=options.get("restricted", True),
        as_attachment=options.get("as_attachment", False),
        search_class=settings.get("search_class"),
        search_index=settings.get("search_index"),
    )


def _record_class(settings: Mapping[str, Any]) -> Any:
    """The class of the endpoint's records if it has files, else None: the one that its route loads, or its own."""
    in_route = _RECORD_CLASS.search(settings["item_route"])
    for name in (in_route and in_route.group(1), settings.get("record_class")):
        found = obj_or_import_string(name) if name else None
        if found is not None and hasattr(found, "files"):
            return found
    return None


def _import_path(record_class: Any) -> str | None:
    """Import path of the class, or None for the default one and for one that cannot be imported by name."""
    from invenio_records_files.api import Record

    if record_class is None or record_class is Record or "<locals>" in record_class.__qualname__:
        return None
    return f"{record_class.__module__}:{record_class.__qualname__}"


def _path_of_records_files(app: Flask, code: str) -> str | None:
    mounted = app.config.get("RECORDS_FILES_REST_ENDPOINTS") or {}
    path = mounted.get("RECORDS_REST_ENDPOINTS", {}).get(code)
    return None if path is None else str(path).strip("/")
