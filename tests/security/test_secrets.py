# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""No secret in a repr, an error, an answer or a log; and the watch over the logs of the whole run sees what it must."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from invenio_db import db
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import InternalServerError

from oarepo_s3 import MultipartUpload
from oarepo_s3.errors import StoreError, StoreRetryLater, StoreUnknownOutcome
from oarepo_s3.signals import before_upload_complete
from oarepo_s3.store.client import S3Client
from oarepo_s3.store.presign import Credentials, Presigner
from oarepo_s3.uploads import sessions
from oarepo_s3.uploads.models import UploadSession
from tests.integration.records_app import MIB, RecordsWorld, file_path
from tests.leaks import LEAKS, LeakWatch
from tests.servers.folder import PROJECT
from tests.servers.process import free_port

from .conftest import CAPABILITY, MakeWorld

SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEXAMPLE-SESSION-TOKEN"
CREDENTIALS = Credentials("AKIAEXAMPLE", SECRET, TOKEN, datetime(2030, 1, 1, tzinfo=UTC))


def client(endpoint: str = "https://user:password@store.invalid") -> S3Client:
    return S3Client("AKIAEXAMPLE", SECRET, {"endpoint_url": endpoint, "aws_session_token": TOKEN}, attempts=1)


def presigner() -> Presigner:
    return Presigner(endpoint_url="https://store.invalid", region="us-east-1", credentials=lambda: CREDENTIALS)


def part_signer() -> Any:
    return presigner().upload(s3_bucket="files", key="key", upload_id="upload", expires_in=60)


OBJECTS: dict[str, Callable[[], Any]] = {
    "credentials": lambda: CREDENTIALS,
    "client": lambda: client("https://store.invalid"),
    "client whose endpoint has a password": client,
    "presigner": presigner,
    "part signer": part_signer,
    "grant": lambda: part_signer()._grant,
    "url": lambda: presigner().get_object(s3_bucket="files", key="key", expires_in=60),
}


@pytest.fixture
def watch() -> LeakWatch:
    """Knows the secrets of here."""
    watch = LeakWatch()
    for what, secret in {"the secret key": SECRET, "the token": TOKEN, "the password": "user:password"}.items():
        watch.watch(what, secret)
    return watch


@pytest.mark.parametrize("name", OBJECTS)
def test_reprs_of_the_store(watch: LeakWatch, name: str):
    thing = OBJECTS[name]()
    for text in (repr(thing), str(thing), f"{thing}", repr([thing]), repr({"thing": thing})):
        assert watch.leaks_of(text) == []
        assert "X-Amz" not in text


def test_reprs_of_an_upload(world: RecordsWorld):
    answer = world.client().open()
    upload, service = world.upload(), world.service
    url = answer.json["multipart_upload"]["parts_url"][0]
    signed = service.sign(upload, [1])
    things = [upload, signed, service, service.context, service.parts(upload), service.context.rules]
    for thing in things:
        for text in (repr(thing), str(thing)):
            for secret in (upload.public_id, upload.s3_upload_id or "?", url, signed[0].url, "X-Amz"):
                assert secret not in text
    assert LEAKS.leaks_of(answer.text) == ["a signature", "an upload id"]  # the same looks that found nothing there


def test_repr_of_the_row_and_of_what_callers_assign(world: RecordsWorld):
    record = world.record()
    assigned = MultipartUpload(key="data.zip", size=12 * MIB)
    record.files["data.zip"] = assigned
    db.session.commit()
    row = db.session.query(UploadSession).one()
    assert assigned.session["parts_url"]
    for text in (repr(assigned), str(assigned), repr(row), str(row), repr(vars(record))):
        assert row.public_id not in text
        assert "X-Amz" not in text


# errors ---------------------------------------------------------------------------------------------------------------


def chained(kind: type[StoreError]) -> StoreError:
    """An error whose causes tell everything."""
    try:
        try:
            raise ValueError(f"Authorization: {SECRET} {TOKEN} https://store.invalid/?X-Amz-Signature=0")
        except ValueError as cause:
            raise kind("CompleteMultipartUpload: no answer") from cause
    except StoreError as error:
        return error


CALLS = {
    "open": ("create_upload", lambda world: world.client().open(key="other.zip")),
    "complete": ("complete_upload", lambda world: world.client().act("complete")),
    "parts": ("list_parts", lambda world: world.client().act("parts")),
    "abort": ("abort_upload", lambda world: world.client().act("abort")),
}


@pytest.mark.parametrize("kind", [StoreRetryLater, StoreUnknownOutcome, StoreError])
@pytest.mark.parametrize("call", CALLS)
def test_answers_do_not_tell_the_causes(watch: LeakWatch, world: RecordsWorld, call: str, kind: type[StoreError]):
    world.client().open()
    world.put_parts(world.upload())
    operation, ask = CALLS[call]
    world.store.fail(operation, chained(kind), times=9)
    answer = ask(world)
    assert answer.status_code == 503
    assert watch.leaks_of(answer.text + str(answer.headers)) == []
    assert "X-Amz" not in answer.text


@pytest.fixture
def as_in_production(make_world: MakeWorld) -> RecordsWorld:
    """A world that answers and logs what nobody has foreseen, as it does outside of tests."""
    return make_world(**CAPABILITY, TESTING=False, PROPAGATE_EXCEPTIONS=False)


def fail_with_secrets(*_: Any, **__: Any) -> None:
    raise RuntimeError(SECRET)


def test_an_error_that_nobody_foresaw_tells_nothing(watch: LeakWatch, as_in_production: RecordsWorld):
    as_in_production.client().open()
    with before_upload_complete.connected_to(fail_with_secrets):
        answer = as_in_production.client().act("complete")
    assert answer.status_code == 500
    assert watch.leaks_of(answer.text) == []


@contextmanager
def failing(beginning: str) -> Iterator[list[str]]:
    """Statements on uploads that begin so fail in the database; those that did."""
    failed: list[str] = []

    def spoil(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        if statement.startswith(beginning) and "oarepo_s3_uploads" in statement:
            failed.append(statement)
            statement = statement.replace("oarepo_s3_uploads", "no_such_table")
        return statement, parameters

    sa.event.listen(db.engine, "before_cursor_execute", spoil, retval=True)
    try:
        yield failed
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", spoil)


LEGACY_CALLS = [("GET", "1/presigned"), ("GET", "parts"), ("POST", "complete"), ("DELETE", "abort")]


@pytest.mark.parametrize(("method", "path"), LEGACY_CALLS)
def test_an_unforeseen_error_does_not_log_the_address_that_is_a_permission(
    as_in_production: RecordsWorld, caplog: pytest.LogCaptureFixture, method: str, path: str
):
    upload_id = as_in_production.client().open().json["uploadId"]
    with failing("SELECT"):
        answer = as_in_production.client(None)(method, f"{file_path('data.zip')}/{upload_id}/{path}", json={})
    assert answer.status_code == 500
    assert upload_id not in answer.text
    assert "no_such_table" in caplog.text
    assert LEAKS.leaks_of(caplog.text) == []


def test_a_failing_statement_does_not_tell_the_upload_id(
    as_in_production: RecordsWorld, caplog: pytest.LogCaptureFixture
):
    """SQLAlchemy's errors quote the parameters, and Flask logs them."""
    world = as_in_production
    with failing("INSERT") as failed:
        assert world.client().open().status_code == 500
    upload_id = world.client().open().json["uploadId"]
    with failing("SELECT"), pytest.raises(OperationalError) as caught, sessions.transaction() as session:
        sessions.get_by_public_id(session, "slot", upload_id)
    assert failed
    assert "(hidden)" in caplog.text
    assert "(hidden)" in str(caught.value)
    assert LEAKS.leaks_of(caplog.text + str(caught.value) + repr(caught.value)) == []
    assert world.upload().public_id == upload_id


def test_a_store_that_cannot_be_reached_leaves_no_secret_in_the_log(
    watch: LeakWatch, make_world: MakeWorld, caplog: pytest.LogCaptureFixture
):
    world = make_world(
        S3_CLIENT=lambda **_: client(f"http://127.0.0.1:{free_port()}"),
        S3_MULTIPART_BUSY_WAIT=1,
    )
    assert world.client().open().status_code == 503
    world.clock.forward(days=3)
    world.service.sweep()
    world.service.reconcile(s3_buckets=[])
    assert caplog.records
    assert watch.leaks_of(caplog.text) == []
    assert LEAKS.leaks_of(caplog.text) == []


def test_an_http_error_with_a_response_of_its_own_is_no_way_out(watch: LeakWatch, world: RecordsWorld):
    """An exception of a receiver that says 500 and quotes a secret."""

    def fail(*_: Any, **__: Any) -> None:
        raise InternalServerError(SECRET)

    world.client().open()
    with before_upload_complete.connected_to(fail):
        answer = world.client().act("complete")
    assert answer.status_code == 500
    assert watch.leaks_of(answer.text) == []


# the watch over the logs ----------------------------------------------------------------------------------------------

PLANTS = {
    "nothing": ("a harmless line", []),
    "a secret key": (f"the key is {SECRET}", ["the secret key"]),
    "a signature": ("PUT /files/key?X-Amz-Expires=60&X-Amz-Signature=0123abcd", ["a signature"]),
    "a token": ("X-Amz-Security-Token: abc", ["a session token"]),
    "a header": ("Authorization: AWS4-HMAC-SHA256 Credential=AKIA", ["an authorization header"]),
}


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("how", ["message", "argument", "cause"])
def test_the_watch_finds_what_is_planted(watch: LeakWatch, plant: str, how: str):
    text, leaks = PLANTS[plant]
    logger = logging.Logger("planted")
    logger.addHandler(watch)
    try:
        if how == "cause":
            try:
                raise ValueError(text)
            except ValueError as error:
                raise RuntimeError("harmless") from error
        logger.info("%s", text) if how == "argument" else logger.info(text)
    except RuntimeError:
        logger.exception("harmless")
    assert [line.split(" was logged by ")[0] for line in watch.found] == leaks
    assert not any(SECRET in line for line in watch.found)


def test_the_watch_finds_an_upload_id(watch: LeakWatch):
    token = watch.token_urlsafe(32)
    assert watch.leaks_of(f"GET /files/data.zip/{token}/parts") == ["an upload id"]
    assert watch.leaks_of(f"'{token}'") == ["an upload id"]
    assert watch.leaks_of(token[:-1]) == []


@pytest.mark.parametrize("planted", [True, False])
def test_a_run_fails_if_a_secret_was_logged(tmp_path: Path, planted: bool):
    """Although its test passes."""
    test = tmp_path / "test_planted.py"
    text = "X-Amz-Signature=0123" if planted else "harmless"
    test.write_text(f"import logging\ndef test(): logging.getLogger('some.package').info('{text}')\n")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "tests.leaks", "-c", "/dev/null", str(test)]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert "1 passed" in done.stdout
    assert done.returncode == planted, done.stdout + done.stderr
    assert ("LEAK a signature was logged by some.package (INFO)" in done.stdout) == planted


SHARED_OUT = {
    "import logging\ndef test(): logging.getLogger('some.package').info('harmless')\n": "",
    "import logging\ndef test(): logging.getLogger('some.package').info('X-Amz-Signature=0123')\n": (
        "LEAK a signature was logged by some.package (INFO)"
    ),
    "import os\ndef test(): os._exit(0)\n": "LEAK nobody knows what was logged in gw",
}


@pytest.mark.parametrize("code", SHARED_OUT, ids=["harmless", "secret", "dead"])
def test_processes_that_share_the_tests_tell_what_they_have_read(tmp_path: Path, code: str):
    test = tmp_path / "test_planted.py"
    test.write_text(code)
    argv = [sys.executable, "-m", "pytest", "-q", "-n", "1", "--max-worker-restart", "0", "-p", "tests.leaks"]
    done = subprocess.run(
        [*argv, "-c", "/dev/null", str(test)], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == bool(SHARED_OUT[code]), done.stdout + done.stderr
    assert SHARED_OUT[code] in done.stdout
    assert ("LEAK" in done.stdout) == bool(SHARED_OUT[code])
    if "_exit" not in code:
        assert "1 passed" in done.stdout
        assert "secrets in 1 log records" in done.stdout


def test_the_run_reads_along_what_we_log():
    before = LEAKS.records
    for name in ("oarepo_s3.uploads.sweeping", "oarepo_s3.new"):
        logging.getLogger(name).debug("a line for the watch")
    logging.getLogger("botocore.credentials").info("a line for the watch")
    assert LEAKS.records == before + 3
