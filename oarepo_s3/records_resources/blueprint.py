# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The blueprint: paths of uploads for the configured file services, and answers to our errors in the stock views."""

from importlib.util import find_spec

from flask import Blueprint, Flask
from werkzeug.exceptions import HTTPException

from ..errors import OARepoS3Error
from ..rest.errors import CODES, answer_error, answer_http_error
from .links import SERVICES_SETTING

NAME = "oarepo_s3_records_resources"
"""Name of the blueprint, for ``url_for``."""


def create_blueprint_from_app(app: Flask) -> Blueprint:
    """The blueprint for the services of the application; an empty one where their library is not installed."""
    blueprint = Blueprint(NAME, __name__)
    if find_spec("invenio_records_resources") is None:
        return blueprint
    blueprint.app_errorhandler(OARepoS3Error)(answer_error)
    blueprint.register_error_handler(HTTPException, answer_http_error)
    for status in CODES:  # an application's handler for a status would go before that for all of them
        blueprint.register_error_handler(status, answer_http_error)
    for service_id, prefix in app.config[SERVICES_SETTING].items():
        _add_rules(blueprint, service_id, prefix)
    return blueprint


def _add_rules(blueprint: Blueprint, service_id: str, prefix: str) -> None:
    from .resource import PartsView, SignView

    path = prefix.rstrip("/")
    rule = path if path.endswith("files") else f"{path}/files"
    name = service_id.replace(".", "_").replace("-", "_")
    parts = PartsView.as_view(f"{name}_parts", service_id)
    sign = SignView.as_view(f"{name}_sign", service_id)
    blueprint.add_url_rule(f"{rule}/<path:key>/multipart", view_func=parts)
    blueprint.add_url_rule(f"{rule}/<path:key>/multipart/sign", view_func=sign)
