# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Every setting of ours, with its default; those of invenio-s3 (``S3_ENDPOINT_URL`` and so on) are used as they are."""

from typing import Any

MIB = 2**20
GIB = 2**30
DAY = 24 * 3600

S3_TENANT: str | None = None
"""Tenant that owns the buckets (Ceph RGW): the bucket goes on the wire as ``tenant:bucket``."""

S3_CLIENT = "oarepo_s3.store.client.S3Client"
"""Class, or its import path, that talks to the store; see :class:`oarepo_s3.store.contract.Store`."""

S3_PUBLIC_ENDPOINT_URL: str | None = None
"""Endpoint that clients see, where it differs from ``S3_ENDPOINT_URL``: URLs are signed for this one."""

S3_MULTIPART_UPLOAD_EXPIRATION = 23 * 3600
"""Life of an upload in seconds. MinIO drops unfinished uploads after 24 h, so the default stays below that; where the
store keeps them longer (AWS, Ceph), set as many days as your depositors need."""

S3_MULTIPART_URL_EXPIRATION = 3600
"""Life of a part URL in seconds, 1 .. 604,800 (7 d, the limit of SigV4). A URL dies with its upload and with the
credentials that signed it, if that is sooner."""

S3_MULTIPART_URLS_PER_ANSWER = 50
"""How many part URLs an answer carries unless the request asks for others."""

S3_MULTIPART_MAX_URLS_PER_ANSWER = 10_000
"""How many part URLs a request may ask for at most."""

S3_MULTIPART_BATCH_LIMIT = 250
"""How many files a request may open or complete at a time. All of its URLs together count as those of one answer."""

S3_MULTIPART_PART_SIZE = 16 * MIB
"""Preferred size of a part in bytes; bigger files get bigger parts, so that their number stays within the limit."""

S3_MULTIPART_MIN_PART_SIZE = 5 * MIB
"""Smallest part that the store takes, in bytes; the last part may be smaller."""

S3_MULTIPART_MAX_PART_SIZE = 5 * GIB - 5 * MIB
"""Biggest part that the store takes, in bytes. The default is what all stores take (Cloudflare R2: 4.995 GiB).
The number of parts is limited by ``S3_MAXIMUM_NUMBER_OF_PARTS`` of invenio-s3."""

S3_MULTIPART_MAX_FILE_SIZE: int | None = None
"""Biggest file that the store takes, in bytes; None for what the limits of the parts give."""

S3_MULTIPART_ONE_PUT_LIMIT = 16 * MIB
"""Biggest file in bytes that goes by one PUT instead of a multipart upload, where the client gives its ``content_md5``:
at most 5 GiB, what S3 takes by one PUT; 0 for never. Needs ``S3_MULTIPART_PIN_CONTENT_LENGTH``."""

S3_MULTIPART_EQUAL_PARTS = True
"""Whether the store wants all parts but the last of equal size (Cloudflare R2). Concerns clients that choose the part
sizes themselves; plans of the server are always equal."""

S3_MULTIPART_PIN_CONTENT_LENGTH = True
"""Whether a part URL is good for exactly the planned number of bytes. Switch off only for a store that cannot
(OneFS does not decode ``%3B``): sizes are then checked at completion alone."""

S3_MULTIPART_OPAQUE_ETAGS = False
"""Whether the store's ETags are no MD5 (SSE-KMS, SSE-C): composite ETags are then not compared."""

S3_MULTIPART_UPLOAD_ID_AS_CAPABILITY = False
"""Whether the paths of oarepo-s3 1.4 below ``<key>/<upload_id>/`` take the upload id for a permission. Deployed 1.4
clients send no token there. The id is 256 random bits and good for one upload only."""

S3_MULTIPART_BUSY_WAIT = 10
"""Seconds that a request waits for another one that is completing the same upload, before it answers 409."""

S3_MULTIPART_COMPLETE_TIMEOUT = 300
"""Seconds that the store may take to complete an upload; big files take minutes on some stores."""

S3_MULTIPART_STORE_TIMEOUT = 30
"""Seconds that the store may take to answer anything else."""

S3_MULTIPART_STORE_ATTEMPTS = 5
"""How often a call to the store is tried before it is given up."""

S3_MULTIPART_STORE_CONNECTIONS = 32
"""Connections to the store that a process keeps at most."""

S3_MULTIPART_SWEEP_BATCH = 200
"""Uploads that a sweep takes at a time."""

S3_MULTIPART_SWEEP_CONCURRENCY = 32
"""Calls to the store that a sweep makes at a time; more than ``S3_MULTIPART_STORE_CONNECTIONS`` is of no use."""

S3_MULTIPART_SWEEP_DEADLINE = 3000
"""Seconds after which a sweep stops; the next one goes on."""

S3_MULTIPART_RECONCILE_AFTER = 900
"""Seconds after which an upload that is still opening or completing is taken for interrupted."""

S3_MULTIPART_RECORDS_FILES_ENDPOINTS: dict[str, dict[str, Any]] | None = None
"""Endpoints of ``RECORDS_REST_ENDPOINTS`` that get file paths, each with options; None for all whose record class has
files. Options: ``files_path`` (default ``files``), ``put_file_factory``, ``get_file_factory``, ``delete_file_factory``
(permission factories, called with ``record=``, ``key=``; default the endpoint's update, read, update), ``restricted``
(default True) and ``as_attachment`` (default False) for downloads."""

S3_MULTIPART_RDM_SERVICES: dict[str, str] = {
    "draft-files": "/records/<pid_value>/draft",
    "draft-media-files": "/records/<pid_value>/draft/media-files",
}
"""File services of InvenioRDM whose pending files get the paths ``multipart`` and ``multipart/sign``: id of the service
and the prefix of its paths. ``/files`` is added to a prefix that does not end in ``files``."""

S3_MULTIPART_RDM_LINKS_LIMIT: int | None = None
"""How many part URLs the links of a pending file of InvenioRDM hold at most; None or 0 for all, which stock clients
rely on. The rest comes from ``links.sign``."""

S3_MULTIPART_RDM_RECOMPUTE_RATE: int | None = None
"""Bytes a second at which a task reads each completed file of InvenioRDM back once, to replace its verified
``multipart:`` checksum by the MD5 of the whole file; None or 0 for not at all."""
