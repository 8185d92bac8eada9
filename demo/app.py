# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The Invenio application: draft records with files, in SQLite and in an S3 store."""

import re
from datetime import timedelta
from typing import Any

from flask import Flask, request
from invenio_celery import InvenioCelery
from invenio_db import InvenioDB
from invenio_files_rest import InvenioFilesREST
from invenio_i18n import InvenioI18N
from invenio_pidstore import InvenioPIDStore
from invenio_records import InvenioRecords
from invenio_records_rest import InvenioRecordsREST
from invenio_records_rest.utils import PIDConverter
from invenio_records_rest.views import create_blueprint_from_app as create_records_blueprint
from invenio_rest import InvenioREST
from invenio_s3 import InvenioS3

from oarepo_s3.ext import OARepoS3
from oarepo_s3.records_files.blueprint import create_blueprint_from_app as create_files_blueprint

from . import access, overview
from .settings import Settings
from .traffic import ROUTE, TrafficLog, TrafficMeter

_CONVERTERS = re.compile(r"<[^<>]*?(\w+)>")
SWEEP_EVERY = timedelta(seconds=10)

DRAFTS: dict[str, Any] = {
    "pid_type": "recid",
    "pid_minter": "recid",
    "pid_fetcher": "recid",
    "record_class": "invenio_records_files.api:Record",
    "list_route": "/draft/records/",
    "item_route": '/draft/records/<pid(recid, record_class="invenio_records_files.api:Record"):pid_value>',
    "default_endpoint_prefix": True,
    "default_media_type": "application/json",
    "record_serializers": {"application/json": "invenio_records_rest.serializers:json_v1_response"},
    "search_serializers": {"application/json": "invenio_records_rest.serializers:json_v1_search"},
    "indexer_class": None,
    "use_options_view": False,
    "read_permission_factory_imp": access.everybody,
    "create_permission_factory_imp": access.demo_user,
    "update_permission_factory_imp": access.demo_user,
    "delete_permission_factory_imp": access.demo_user,
    "list_permission_factory_imp": access.nobody,
}

EXTENSIONS = (
    InvenioDB,
    InvenioI18N,
    InvenioREST,
    InvenioPIDStore,
    InvenioRecords,
    InvenioRecordsREST,
    InvenioFilesREST,
    InvenioS3,
    OARepoS3,
    InvenioCelery,
)


def create_app(settings: Settings) -> Flask:
    """Return the application, ready to serve or to run tasks."""
    app = Flask("demo", static_folder=None)
    app.config.update(configuration(settings))
    app.url_map.converters["pid"] = PIDConverter
    access.create_login_manager().init_app(app)
    for extension in EXTENSIONS:
        extension(app)
    app.register_blueprint(create_records_blueprint(app))
    app.register_blueprint(create_files_blueprint(app))
    app.register_blueprint(access.blueprint)
    app.register_blueprint(overview.blueprint)
    app.before_request(_name_route)
    app.wsgi_app = TrafficMeter(app.wsgi_app, TrafficLog(settings.path("traffic.log")))  # type: ignore[method-assign]
    return app


def configuration(settings: Settings) -> dict[str, Any]:
    """Return what an operator writes into ``invenio.cfg``, and what the demo adds to it."""
    return {
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{settings.path('demo.db')}",
        # SQLite lets one process write at a time; the others wait.
        "SQLALCHEMY_ENGINE_OPTIONS": {"connect_args": {"timeout": 30}},
        "RECORDS_REST_ENDPOINTS": {"drafts": dict(DRAFTS)},
        access.TOKEN_SETTING: settings.token,
        "DEMO_FOLDER": settings.folder,
        "DEMO_STORE_URL": settings.public_store_url,
        **_store_configuration(settings),
        **_celery_configuration(settings),
    }


def _store_configuration(settings: Settings) -> dict[str, Any]:
    return {
        "FILES_REST_STORAGE_FACTORY": "oarepo_s3.storage.s3_storage_factory",
        "S3_ENDPOINT_URL": settings.store_url,
        "S3_PUBLIC_ENDPOINT_URL": settings.public_store_url,
        "S3_ACCESS_KEY_ID": settings.access_key,
        "S3_SECRET_ACCESS_KEY": settings.secret_key,
        "S3_CLIENT": "demo.traffic.MeteredS3Client",
        "S3_MULTIPART_PART_SIZE": 8 * 2**20,
        "S3_MULTIPART_UPLOAD_EXPIRATION": settings.upload_seconds,
        # Clients of oarepo-s3 1.4 send their token with the opening only.
        "S3_MULTIPART_UPLOAD_ID_AS_CAPABILITY": True,
    }


def _celery_configuration(settings: Settings) -> dict[str, Any]:
    """Return Celery's settings: messages are files in a folder, results are not kept."""
    messages = str(settings.path("broker", "messages"))
    return {
        "BROKER_URL": "filesystem://",
        "CELERY_BROKER_URL": "filesystem://",
        "CELERY_BROKER_TRANSPORT_OPTIONS": {
            "data_folder_in": messages,
            "data_folder_out": messages,
            "control_folder": str(settings.path("broker", "control")),
        },
        "CELERY_RESULT_BACKEND": "disabled",
        "CELERY_TASK_IGNORE_RESULT": True,
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_BEAT_SCHEDULE_FILENAME": str(settings.path("broker", "beat")),
        "CELERY_BEAT_SCHEDULE": {
            "cleanup_expired_multipart_uploads": {
                "task": "oarepo_s3.tasks.cleanup_expired_multipart_uploads",
                "schedule": SWEEP_EVERY,
            },
            "reconcile_multipart_uploads": {
                "task": "oarepo_s3.tasks.reconcile_multipart_uploads",
                "schedule": 4 * SWEEP_EVERY,
            },
        },
    }


def _name_route() -> None:
    if request.url_rule is not None:
        request.environ[ROUTE] = _CONVERTERS.sub(r"<\1>", request.url_rule.rule)
