# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Permissions, services and resources of the repository."""

from typing import Any

import marshmallow as ma
from flask_principal import UserNeed
from invenio_drafts_resources.resources import RecordResourceConfig
from invenio_drafts_resources.services import RecordServiceConfig
from invenio_drafts_resources.services.records.components import (
    DraftFilesComponent,
    DraftMetadataComponent,
    PIDComponent,
    ServiceComponent,
)
from invenio_drafts_resources.services.records.schema import RecordSchema
from invenio_records_permissions.generators import AnyUser, AuthenticatedUser, Disable, Generator, SystemProcess
from invenio_records_permissions.policies.records import RecordPermissionPolicy
from invenio_records_resources.resources import FileResourceConfig
from invenio_records_resources.services import FileServiceConfig
from invenio_records_resources.services.files.components import FileMetadataComponent, FileProcessorComponent
from invenio_records_resources.services.files.generators import IfTransferType
from invenio_records_resources.services.files.links import FileEndpointLink
from invenio_records_resources.services.records.links import RecordEndpointLink

from oarepo_s3.records_resources.counting import FileMetadataComponent as OurFileMetadataComponent
from oarepo_s3.records_resources.processing import FileProcessorComponent as OurFileProcessorComponent

from .model import RepositoryDraft, RepositoryRecord

OWNER = "owner"
PREVIEWER = "previewer"
OTHER = "other"
ADMIN = "admin"

# permissions ----------------------------------------------------------------------------------------------------------


class Grant(Generator):
    """Allows whom the parent names for a role."""

    def __init__(self, role: str) -> None:
        self._role = role

    def needs(self, record: Any = None, **_: Any) -> list[UserNeed]:
        """The users that are named."""
        return [] if record is None else [UserNeed(name) for name in record.parent["access"].get(self._role, ())]


class Administration(Generator):
    """Allows the administrator."""

    def needs(self, **_: Any) -> list[UserNeed]:
        """The one administrator."""
        return [UserNeed(ADMIN)]


class Policy(RecordPermissionPolicy):
    """The roles and actions of InvenioRDM's policy, as far as drafts and files go."""

    can_review = [Grant("owned_by"), Administration(), SystemProcess()]
    can_preview = [*can_review, Grant("preview")]
    can_all = [AnyUser(), SystemProcess()]

    can_create = [AuthenticatedUser(), SystemProcess()]
    can_read = can_all
    can_read_files = can_all
    can_get_content_files = [IfTransferType("L", can_all), SystemProcess()]
    can_read_draft = can_preview
    can_update_draft = can_edit = can_delete_draft = can_new_version = can_publish = can_review
    can_manage_files = can_review

    can_draft_read_files = can_preview
    can_draft_create_files = [IfTransferType("L", can_review), IfTransferType("M", can_review), SystemProcess()]
    can_draft_set_content_files = can_draft_create_files
    can_draft_commit_files = can_draft_create_files
    can_draft_get_content_files = [IfTransferType("L", can_preview), SystemProcess()]
    can_draft_update_files = can_draft_delete_files = can_review
    can_draft_extract_file_metadata = can_extract_file_metadata = [SystemProcess()]
    can_draft_get_file_transfer_metadata = can_draft_update_file_transfer_metadata = [SystemProcess()]

    can_update = can_create_files = can_set_content_files = can_commit_files = can_update_files = [Disable()]
    can_delete = can_delete_files = [SystemProcess()]


# services -------------------------------------------------------------------------------------------------------------


class NullIndexer:
    """Stands where there is no search engine."""

    def __init__(self, **_: Any) -> None:
        pass

    def index(self, record: Any, **_: Any) -> None:
        """Index nothing."""

    def delete(self, record: Any, **_: Any) -> None:
        """Have nothing to delete."""

    def bulk_index(self, ids: Any) -> None:
        """Index nothing."""


class AccessComponent(ServiceComponent):
    """Names the owner of a new draft, and one who may preview it."""

    def create(self, identity: Any, data: Any = None, record: Any = None, errors: Any = None) -> None:
        """Write it into the parent."""
        record.parent["access"] = {"owned_by": [identity.id], "preview": [PREVIEWER]}


class RepositorySchema(RecordSchema):
    """A title is all there is."""

    class _Metadata(ma.Schema):
        title = ma.fields.Str()

    class _Files(ma.Schema):
        enabled = ma.fields.Bool()
        default_preview = ma.fields.Str(allow_none=True)

    metadata = ma.fields.Nested(_Metadata)
    files = ma.fields.Nested(_Files, attribute="files_data", load_only=True, data_key="files")

    @ma.post_load
    def _name_files(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data["files"] = data.pop("files_data", {"enabled": True})
        return data


class RepositoryServiceConfig(RecordServiceConfig):
    """Records and drafts."""

    service_id = "records"
    record_cls = RepositoryRecord
    draft_cls = RepositoryDraft
    indexer_cls = draft_indexer_cls = NullIndexer
    permission_policy_cls = Policy
    schema = RepositorySchema
    components = [DraftMetadataComponent, AccessComponent, DraftFilesComponent, PIDComponent]
    links_item = {"self": RecordEndpointLink("records.read"), "draft": RecordEndpointLink("records.read_draft")}


def _links(blueprint: str, **views: str) -> dict[str, FileEndpointLink]:
    return {
        name: FileEndpointLink(f"{blueprint}.{view}", params=["pid_value", "key"])
        for name, view in {"self": "read", "content": "read_content", **views}.items()
    }


class RecordFilesConfig(FileServiceConfig):
    """Files of records: nobody changes them."""

    service_id = "files"
    record_cls = RepositoryRecord
    permission_policy_cls = Policy
    allow_upload = False
    file_links_list = {"self": RecordEndpointLink("record_files.search")}
    file_links_item = _links("record_files")


class DraftFilesConfig(FileServiceConfig):
    """Files of drafts, with the stock components."""

    service_id = "draft-files"
    record_cls = RepositoryDraft
    permission_policy_cls = Policy
    permission_action_prefix = "draft_"
    file_links_list = {"self": RecordEndpointLink("draft_files.search")}
    file_links_item = _links("draft_files", commit="create_commit")


OURS = {FileMetadataComponent: OurFileMetadataComponent, FileProcessorComponent: OurFileProcessorComponent}


class OurDraftFilesConfig(DraftFilesConfig):
    """The same with our components, as ``RDM_DRAFT_FILES_SERVICE_COMPONENTS`` sets them."""

    components = [OURS.get(component, component) for component in FileServiceConfig.components]


# resources ------------------------------------------------------------------------------------------------------------


class RepositoryResourceConfig(RecordResourceConfig):
    """Paths from ``/records``."""

    blueprint_name = "records"
    url_prefix = "/records"


class RecordFilesResourceConfig(FileResourceConfig):
    """Paths from ``/records/<pid>/files``."""

    blueprint_name = "record_files"
    url_prefix = "/records/<pid_value>"


class DraftFilesResourceConfig(FileResourceConfig):
    """Paths from ``/records/<pid>/draft/files``."""

    blueprint_name = "draft_files"
    url_prefix = "/records/<pid_value>/draft"
