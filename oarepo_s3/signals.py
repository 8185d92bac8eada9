# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Signals of an upload's life.

Sender of each is the file: the record's own file object where a record is known (``record.files[key]``), else the
:class:`invenio_files_rest.models.ObjectVersion`, else None where both are gone. Keyword arguments of each:

``record``
    the record that the file belongs to, or None;
``file``
    the sender once more;
``upload``
    :class:`oarepo_s3.uploads.models.Upload`, the facts of the upload at that moment;
``multipart_config``
    a dict with ``upload_id``, ``key``, ``bucket`` (of the store), ``size``, ``part_size``, ``parts_count``: what 1.4
    kept in a tag, without any URL.

A ``before_`` signal is sent before anything is changed, outside any transaction of ours; an exception raised by a
receiver forbids the step and reaches the caller. An ``after_`` signal is sent only after the commit; an exception
raised by a receiver is logged and changes nothing.
"""

from blinker import Namespace

_signals = Namespace()

before_upload_complete = _signals.signal("before_upload_complete")
"""An upload is about to be completed; also passes ``parts``, what the client says of them, or None."""

after_upload_complete = _signals.signal("after_upload_complete")
"""An upload was completed: the file is readable."""

before_upload_abort = _signals.signal("before_upload_abort")
"""An upload is about to be aborted at somebody's request."""

after_upload_abort = _signals.signal("after_upload_abort")
"""An upload was aborted at somebody's request, and record, quota and store hold nothing of it any more."""

after_upload_expire = _signals.signal("after_upload_expire")
"""An upload's time was over; record, quota and store hold nothing of it any more."""
