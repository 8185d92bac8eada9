# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Times in answers of the store: read as botocore reads them, only faster."""

import pytest
from botocore.utils import parse_timestamp

from oarepo_s3.store.client import S3Client
from oarepo_s3.store.connection import read_timestamp


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T13:57:10.700Z",
        "2026-11-20T13:57:10Z",
        "2026-11-20T13:57:10+01:00",
        "Fri, 20 Nov 2026 13:57:10 GMT",
        "1795183030",
        1795183030,
        1795183030.5,
    ],
)
def test_times_are_those_of_botocore(value: object) -> None:
    assert read_timestamp(value) == parse_timestamp(value)
    assert read_timestamp(value).tzinfo is not None


@pytest.mark.parametrize("value", ["yesterday or so", None])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="timestamp"):
        read_timestamp(value)


def test_clients_use_it() -> None:
    client = S3Client(access_key="key", secret_key="secret", client_kwargs={"endpoint_url": "http://127.0.0.1:1"})
    parsers = client._client._endpoint._response_parser_factory
    assert parsers.create_parser("rest-xml")._timestamp_parser is read_timestamp
