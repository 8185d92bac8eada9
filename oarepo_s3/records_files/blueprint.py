# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The blueprint: file paths for every configured endpoint of invenio-records-rest."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from flask import Blueprint, Flask
from werkzeug.exceptions import HTTPException

from ..errors import OARepoS3Error
from ..rest.errors import CODES, answer_error, answer_http_error

if TYPE_CHECKING:
    from .endpoints import Endpoint

NAME = "oarepo_s3_records_files"
"""Name of the blueprint, for ``url_for``."""

NEEDED = ("invenio_records_files", "invenio_records_rest")


def create_blueprint_from_app(app: Flask) -> Blueprint:
    """The blueprint for the endpoints of the application; an empty one where its libraries are not installed.

    :raises ConfigurationError: ``S3_MULTIPART_RECORDS_FILES_ENDPOINTS`` names an endpoint that is not there.
    """
    blueprint = Blueprint(NAME, __name__)
    blueprint.register_error_handler(OARepoS3Error, answer_error)
    blueprint.register_error_handler(HTTPException, answer_http_error)
    for status in CODES:  # an application's handler for a status would go before that for all of them
        blueprint.register_error_handler(status, answer_http_error)
    if any(find_spec(library) is None for library in NEEDED):
        return blueprint
    from . import deletion, endpoints, legacy_views

    deletion.connect()
    legacy_views.exempt_from_csrf()
    for endpoint in endpoints.endpoints_of(app):
        _add_rules(blueprint, endpoint)
    return blueprint


def _add_rules(blueprint: Blueprint, endpoint: "Endpoint") -> None:
    from .rules import file_view, list_view, upload_views

    methods = ["POST"] if endpoint.shares_path else None
    rule = endpoint.files_rule
    # The list answers without the slash, too: a redirection would cost a request, and may leave a proxy's HTTPS.
    strict = endpoint.shares_path
    blueprint.add_url_rule(
        f"{rule}/", view_func=list_view(endpoint), methods=methods, merge_slashes=False, strict_slashes=strict
    )
    if not endpoint.shares_path:
        blueprint.add_url_rule(f"{rule}/<path:key>", view_func=file_view(endpoint), merge_slashes=False)
    for path, view in upload_views(endpoint).items():
        blueprint.add_url_rule(f"{rule}/<path:key>/{path}", view_func=view, merge_slashes=False)
