# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Tables and record classes of a repository of drafts and records with files.

It is put together as invenio-rdm-records does it, without what has nothing to do with files. There is no search
engine, so nothing is indexed.
"""

from typing import Any

from flask import current_app
from invenio_db import db
from invenio_drafts_resources.records import Draft, DraftMetadataBase, ParentRecordMixin, ParentRecordStateMixin
from invenio_drafts_resources.records import ParentRecord as ParentRecordBase
from invenio_drafts_resources.records import Record as RecordBase
from invenio_files_rest.models import Bucket
from invenio_records.models import RecordMetadataBase
from invenio_records.systemfields import ModelField
from invenio_records_resources.records import FileRecord, FileRecordModelMixin
from invenio_records_resources.records.api import FileAccessField
from invenio_records_resources.records.systemfields import FilesField
from sqlalchemy_utils.types import UUIDType

BUCKET_SETTING = "RDM_TEST_BUCKET"
"""Arguments of ``Bucket.create`` for the bucket of each new draft, such as ``quota_size`` and ``max_file_size``."""

# tables ---------------------------------------------------------------------------------------------------------------


class ParentMetadata(db.Model, RecordMetadataBase):
    """What the versions of a record have in common."""

    __tablename__ = "rdm_test_parents"


class PublishedMetadata(db.Model, RecordMetadataBase, ParentRecordMixin):
    """Published records."""

    __tablename__ = "rdm_test_records"
    __parent_record_model__ = ParentMetadata

    bucket_id = db.Column(UUIDType, db.ForeignKey(Bucket.id))
    bucket = db.relationship(Bucket)
    expires_at = db.Column(db.UTCDateTime(), nullable=True)


class DraftMetadata(db.Model, DraftMetadataBase, ParentRecordMixin):
    """Drafts."""

    __tablename__ = "rdm_test_drafts"
    __parent_record_model__ = ParentMetadata

    bucket_id = db.Column(UUIDType, db.ForeignKey(Bucket.id))
    bucket = db.relationship(Bucket)


class RecordFileMetadata(db.Model, RecordMetadataBase, FileRecordModelMixin):
    """Files of records."""

    __record_model_cls__ = PublishedMetadata
    __tablename__ = "rdm_test_record_files"


class DraftFileMetadata(db.Model, RecordMetadataBase, FileRecordModelMixin):
    """Files of drafts."""

    __record_model_cls__ = DraftMetadata
    __tablename__ = "rdm_test_draft_files"


class ParentState(db.Model, ParentRecordStateMixin):
    """Which version is the latest."""

    __tablename__ = "rdm_test_versions"
    __parent_record_model__ = ParentMetadata
    __record_model__ = PublishedMetadata
    __draft_model__ = DraftMetadata


MODELS = [ParentMetadata, PublishedMetadata, DraftMetadata, RecordFileMetadata, DraftFileMetadata, ParentState]

# record classes -------------------------------------------------------------------------------------------------------


def bucket_arguments(record: Any) -> dict[str, Any]:
    """Quota and size limit of a new draft's bucket."""
    arguments: dict[str, Any] = current_app.config[BUCKET_SETTING]
    return arguments


class Parent(ParentRecordBase):
    """Keeps who may do what, in ``access``."""

    model_cls = ParentMetadata


class RecordFile(FileRecord):
    """File of a record."""

    model_cls = RecordFileMetadata
    access = FileAccessField()


class DraftFile(FileRecord):
    """File of a draft."""

    model_cls = DraftFileMetadata
    access = FileAccessField()


class RepositoryRecord(RecordBase):
    """Published record."""

    model_cls = PublishedMetadata
    versions_model_cls = ParentState
    parent_record_cls = Parent
    bucket_id = ModelField()
    bucket = ModelField(dump=False)
    files = FilesField(store=False, dump=True, file_cls=RecordFile, create=False, delete=False)


class RepositoryDraft(Draft):
    """Draft."""

    model_cls = DraftMetadata
    versions_model_cls = ParentState
    parent_record_cls = Parent
    bucket_id = ModelField()
    bucket = ModelField(dump=False)
    files = FilesField(store=False, dump=False, file_cls=DraftFile, delete=False, bucket_args=bucket_arguments)


for _file_class, _record_class in ((RecordFile, RepositoryRecord), (DraftFile, RepositoryDraft)):
    _file_class.record_cls = _record_class
