# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The client distribution against stock InvenioRDM: the stock multipart transfer and invenio-s3's storage, not ours.

Stock lists no parts, answers 500 to a commit with parts missing, and refuses to begin or to commit twice.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from invenio_records_resources.services.files.tasks import recompute_multipart_checksum_task

from oarepo_s3_client import AsyncClient, Cancel, Client, Options
from oarepo_s3_client.errors import ClientError, NotFound, Refused, ServerTrouble
from oarepo_s3_client.events import Event
from tests.client.cli.program import Program
from tests.faults.proxy import Exchange, Operation, Response
from tests.stack.servers import Servers

from .test_migration import application
from .test_python_client import address_of, interrupt, make_file
from .world import PART, Repository
from .world import repository as repository_of

SIZE = 3 * PART + 500
PARTS = 4


@pytest.fixture(scope="module")
def stock(servers: Servers) -> Iterator[Repository]:
    """The repository as stock has it; nobody does its tasks."""
    nowhere = {"BROKER_URL": "memory://", "CELERY_BROKER_URL": "memory://"}
    with repository_of(servers, nodes=0, transfers="stock", **nowhere) as running:
        yield running


@pytest.fixture
def target(stock: Repository) -> Iterator[str]:
    """Address of a draft."""
    with address_of(stock, stock.add_record()) as address:
        yield address


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_file(tmp_path, SIZE)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(token="owner", part_size=PART, parallel=2, attempts=2, state_dir=tmp_path / "state")


def notices(events: list[Event]) -> list[Any]:
    """Their codes."""
    return [event.code for event in events if event.type == "notice"]  # type: ignore[attr-defined]


def test_there_and_back(options: Options, target: str, path: Path, tmp_path: Path) -> None:
    small, empty, events = tmp_path / "small", tmp_path / "empty", list[Event]()
    small.write_bytes(b"few bytes")
    empty.touch()
    with Client(options, on_event=events.append) as client:
        uploaded = client.upload(path, target)
        assert (uploaded.size, uploaded.bytes_sent) == (SIZE, SIZE)
        assert str(uploaded.checksum).endswith(f"-{PARTS}-{PART}")
        assert [client.upload(one, target).size for one in (small, empty)] == [9, 0]
        sizes = {path.name: SIZE, "small": 9, "empty": 0}
        assert {info.key: info.size for info in client.list(target) if info.status == "completed"} == sizes
        for one in (path, small, empty):
            assert client.verify(target, one.name, one).matches
            assert client.read(target, one.name) == one.read_bytes()
            client.download(target, one.name, tmp_path / "back")
            assert (tmp_path / "back").read_bytes() == one.read_bytes()
            (tmp_path / "back").unlink()
            assert client.upload(one, target).bytes_sent == 0
        assert notices(events) == ["no_part_list", *["already_there"] * 3]
        status = client.status(target, path.name)
        assert (status.state, status.known) == ("completed", False)
        assert all(check.ok for check in client.doctor(target))
        client.delete(target, path.name)
        assert {info.key for info in client.list(target)} == {"small", "empty"}


def test_the_checksum_that_a_task_of_stock_computes_later(
    options: Options, stock: Repository, target: str, path: Path
) -> None:
    with Client(options) as client:
        uploaded = client.upload(path, target)
        query = "SELECT id FROM files_files WHERE checksum = :checksum ORDER BY created DESC LIMIT 1"
        (file,) = stock.rows(query, checksum=uploaded.checksum)
        with application(stock, storage="stock"):
            recompute_multipart_checksum_task(str(file.id))
        verified = client.verify(target, path.name, path)
        assert (verified.matches, verified.remote) == (True, f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}")
        path.write_bytes(path.read_bytes()[::-1])
        assert not client.verify(target, path.name, path).matches
        with pytest.raises(Refused, match="already exists") as caught:
            client.upload(path, target)
        assert "oarepo-s3 rm" in caught.value.hint


def test_it_goes_on_by_the_journal_alone(options: Options, target: str, path: Path) -> None:
    interrupt(options, path, target)
    events: list[Event] = []
    others = Options(token="owner", state_dir=options.state_dir)  # whose part size nobody has to know
    with Client(others, on_event=events.append) as client:
        status = client.status(target, path.name)
        assert (status.state, status.parts_count, status.known, status.arrived) == ("open", PARTS, False, [])
        (transfer,) = client.transfers()
        resumed = client.resume(transfer.transfer)
        assert resumed.resumed_bytes >= 2 * PART
        assert client.verify(target, path.name, path).matches
    assert notices(events) == ["no_part_list"]


def test_without_the_journal_all_is_sent_again(options: Options, target: str, path: Path, tmp_path: Path) -> None:
    interrupt(options, path, target)
    events: list[Event] = []
    elsewhere = Options(token="owner", state_dir=tmp_path / "elsewhere")
    with Client(elsewhere, on_event=events.append) as client:
        assert client.upload(path, target).bytes_sent == SIZE
        assert client.verify(target, path.name, path).matches
    assert notices(events) == ["no_part_list", "sent_again"]


def test_another_part_size_than_it_was_begun_with(options: Options, target: str, path: Path) -> None:
    interrupt(options, path, target)
    with Client(Options(token="owner", part_size=2 * PART, journal=False)) as client:
        with pytest.raises(Refused, match="part size") as caught:
            client.upload(path, target)
        assert f"{PART} bytes" in caught.value.hint
        client.abort(target, path.name)
        with pytest.raises(NotFound):
            client.abort(target, path.name)
        assert client.upload(path, target).bytes_sent == SIZE


def lie(exchange: Exchange) -> None:
    """Answer as if the part had been kept."""
    etag = hashlib.md5(exchange._body).hexdigest()
    exchange.answer(Response(200, [("ETag", f'"{etag}"'), ("Content-Length", "0")], b""))


def test_a_part_that_is_missing_at_the_end(options: Options, stock: Repository, target: str, path: Path) -> None:
    with Client(options) as client:
        with stock.store_proxy.inject(lie, Operation.PUT_PART), pytest.raises(ServerTrouble, match="500") as caught:
            client.upload(path, target)
        assert (caught.value.code, "oarepo-s3 abort" in caught.value.hint) == ("not_completed", True)
        client.abort(target, path.name)
        assert client.upload(path, target).bytes_sent == SIZE
        assert client.verify(target, path.name, path).matches


def test_an_upload_that_the_store_has_dropped(options: Options, stock: Repository, target: str, path: Path) -> None:
    interrupt(options, path, target)
    for upload in stock.s3.list_multipart_uploads(Bucket=stock.s3_bucket).get("Uploads", ()):
        stock.s3.abort_multipart_upload(Bucket=stock.s3_bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    with Client(options) as client:
        assert client.upload(path, target).bytes_sent == SIZE
        assert client.verify(target, path.name, path).matches


def test_with_tasks(options: Options, target: str, path: Path, tmp_path: Path) -> None:
    async def there_and_back() -> None:
        cancel = Cancel()

        def stop(event: Event) -> None:
            if event.type == "part":
                cancel.cancel()

        async with AsyncClient(options, on_event=stop) as client:
            with pytest.raises(ClientError) as caught:
                await client.upload(path, target, cancel=cancel)
            assert caught.value.code == "interrupted"
        async with AsyncClient(options) as client:
            uploaded = await client.upload(path, target)
            assert uploaded.bytes_sent < SIZE
            await client.download(target, path.name, tmp_path / "back")
            assert (await client.verify(target, path.name, path)).matches
            await client.delete(target, path.name)
            assert await client.list(target) == []

    asyncio.run(there_and_back())
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


def test_the_command(target: str, path: Path, tmp_path: Path, options: Options) -> None:
    program = Program(tmp_path, {"OAREPO_S3_TOKEN": "owner"})
    interrupt(options, path, target)
    done = program.run("upload", "--json", path, target)
    assert [line["code"] for line in done.of_type("notice")] == ["no_part_list"]
    assert done.of_type("finished")[0]["bytes_sent"] < SIZE
    assert path.name in program.run("ls", target).out
    assert program.run("cat", target, path.name).content == path.read_bytes()
    program.run("verify", path, target)
    program.run("download", "-q", target, path.name, "-o", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
    refused = program.run("abort", target, path.name, code=1)
    assert "rm" in refused.err
    program.run("rm", target, path.name)
    assert path.name not in program.run("ls", target).out
