# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The repository as an application, with our transfer or the stock one.

A user is whoever the header ``X-Test-User`` names; nobody without it.
"""

from typing import Any, Literal

import sqlalchemy as sa
from flask import Flask, g, has_request_context, request
from flask_principal import AnonymousIdentity, Identity, UserNeed
from invenio_access import InvenioAccess
from invenio_access.models import ActionRoles, ActionSystemRoles, ActionUsers
from invenio_access.permissions import any_user, authenticated_user
from invenio_accounts.models import Role, User, userrole
from invenio_audit_logs import InvenioAuditLogs
from invenio_base.urls.builders import InvenioAppsUrlsBuilder
from invenio_db import InvenioDB, db
from invenio_drafts_resources.resources import RecordResource
from invenio_drafts_resources.services import RecordService
from invenio_files_rest import InvenioFilesREST
from invenio_files_rest.models import Bucket, FileInstance, Location, ObjectVersion
from invenio_i18n import InvenioI18N
from invenio_indexer import InvenioIndexer
from invenio_pidstore import InvenioPIDStore
from invenio_pidstore.models import PersistentIdentifier, Redirect
from invenio_queues import InvenioQueues
from invenio_records import InvenioRecords
from invenio_records_resources import InvenioRecordsResources
from invenio_records_resources.config import RECORDS_RESOURCES_TRANSFERS as STOCK_TRANSFERS
from invenio_records_resources.resources import FileResource
from invenio_records_resources.services import FileService
from invenio_rest import InvenioREST
from invenio_s3 import InvenioS3
from invenio_stats import InvenioStats

from oarepo_s3.ext import OARepoS3
from oarepo_s3.uploads.models import UploadEvent, UploadSession

from . import model, services

USER_HEADER = "X-Test-User"
Choice = Literal["ours", "stock"]

FACTORIES: dict[Choice, str] = {
    "ours": "oarepo_s3.storage.s3_storage_factory",
    "stock": "invenio_s3.storage.s3fs_storage_factory",
}

MODELS = [
    Location, Bucket, FileInstance, ObjectVersion, PersistentIdentifier, Redirect, User, Role, ActionUsers,
    ActionRoles, ActionSystemRoles, UploadSession, UploadEvent, *model.MODELS,
]  # fmt: skip


class UrlsBuilder(InvenioAppsUrlsBuilder):
    """Makes links to wherever the request came; to ``SITE_API_URL`` outside of requests."""

    def setup(self, app: Flask, **_: Any) -> None:
        """There is no other application to know of."""
        self.url_map = app.url_map

    def prefix(self, site_cfg: str) -> str:
        """Where this application is."""
        host_url: str = request.host_url.rstrip("/") if has_request_context() else super().prefix(site_cfg)
        return host_url


def transfers_of(choice: Choice) -> list[str]:
    """The setting ``RECORDS_RESOURCES_TRANSFERS``."""
    if choice == "stock":
        return list(STOCK_TRANSFERS)
    from oarepo_s3.records_resources import TRANSFERS

    return list(TRANSFERS)


def create_app(
    database_url: str, *, transfers: Choice = "ours", storage: Choice | None = None, **settings: Any
) -> Flask:
    """Build the application.

    Args:
        transfers: whose multipart transfer it uses.
        storage: whose storage; that of the same side unless given.
        settings: replace those of here.
    """
    app = Flask("rdm")
    app.config.update(
        SQLALCHEMY_DATABASE_URI=database_url,
        FILES_REST_STORAGE_FACTORY=FACTORIES[storage or transfers],
        RECORDS_RESOURCES_TRANSFERS=transfers_of(transfers),
        SITE_API_URL="http://127.0.0.1",
        DB_VERSIONING=False,
        STATS_EVENTS={},
        STATS_AGGREGATIONS={},
        STATS_QUERIES={},
        S3_MULTIPART_BUSY_WAIT=10,
        SECRET_KEY="of a test",
        TESTING=True,
    )
    app.config[model.BUCKET_SETTING] = {}
    app.config.update(settings)
    InvenioDB(app, entry_point_group=None)
    for extension in (InvenioI18N, InvenioREST, InvenioAccess, InvenioFilesREST, InvenioPIDStore):
        extension(app)
    for extension in (InvenioRecords, InvenioIndexer, InvenioQueues, InvenioStats, InvenioRecordsResources):
        extension(app)
    for extension in (InvenioAuditLogs, InvenioS3, OARepoS3):
        extension(app)
    app._urls_builder = UrlsBuilder("SITE_API_URL", "SITE_API_URL", [])  # type: ignore[attr-defined]
    app._urls_builder.setup(app)  # type: ignore[attr-defined]
    app.before_request(_identify)
    _register(app, ours=transfers == "ours")
    return app


def identity_of(name: str | None) -> Identity:
    """The identity of a user, or of nobody."""
    if name is None:
        identity = AnonymousIdentity()
        identity.provides.add(any_user)
        return identity
    identity = Identity(name)
    identity.provides |= {any_user, authenticated_user, UserNeed(name)}
    return identity


def _identify() -> None:
    g.identity = identity_of(request.headers.get(USER_HEADER))


def _register(app: Flask, *, ours: bool) -> None:
    """Build the services and their views."""
    files = FileService(services.RecordFilesConfig)
    draft_files = FileService(services.OurDraftFilesConfig if ours else services.DraftFilesConfig)
    records = RecordService(services.RepositoryServiceConfig, files_service=files, draft_files_service=draft_files)
    registry = app.extensions["invenio-records-resources"].registry
    for service in (files, draft_files, records):
        registry.register(service, service_id=service.config.service_id)
    for resource in (
        RecordResource(services.RepositoryResourceConfig, records),
        FileResource(services.RecordFilesResourceConfig, files),
        FileResource(services.DraftFilesResourceConfig, draft_files),
    ):
        app.register_blueprint(resource.as_blueprint())
    if ours:
        from oarepo_s3.records_resources.blueprint import create_blueprint_from_app

        app.register_blueprint(create_blueprint_from_app(app))


def create_tables(s3_bucket: str) -> None:
    """Create the tables of the current application, and a default location in the store's bucket."""
    names = ("objecttags", "buckettags", "multipartobject", "multipartobject_part")
    files = [db.metadata.tables[f"files_{name}"] for name in names]
    tables = [*(entity.__table__ for entity in MODELS), userrole, *files]
    wanted = _with_referred(tables)
    db.metadata.create_all(db.engine, tables=wanted)
    db.session.add(Location(name="default", uri=f"s3://{s3_bucket}", default=True))
    db.session.commit()


def _with_referred(tables: list[sa.Table]) -> list[sa.Table]:
    """These tables and those that they refer to."""
    found: dict[str, sa.Table] = {}
    waiting = list(tables)
    while waiting:
        table = waiting.pop()
        if table.name not in found:
            found[table.name] = table
            waiting += [key.column.table for key in table.foreign_keys]
    return list(found.values())
