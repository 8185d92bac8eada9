# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The operations of clients, operators and time on the files of a record, and what each may answer."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from invenio_db import db
from invenio_files_rest.models import ObjectVersion
from sqlalchemy.exc import OperationalError

from oarepo_s3.uploads.models import Upload
from oarepo_s3.uploads.states import State
from tests.integration.records_app import file_path

from .backends import PART, Backend
from .faults import Fault, injected
from .invariants import Checker, RecordLedger, as_planned, composite, unknown_to_rows

DAY = 24 * 3600
SETTLING_DAYS = 8
"""Sweeps with nothing going wrong, a day apart, that end whatever there is: a row is put off for a day at most."""


class Violation(AssertionError):
    """Something does not hold."""


class Life:
    """Records one after the other, and what happens to the files of the last one."""

    _pids: Iterator[int] = itertools.count(1)

    def __init__(self, backend: Backend) -> None:
        self.backend, self.world = backend, backend.world
        self.ledgers: list[RecordLedger] = []
        self.new_record()

    def new_record(self) -> None:
        """Go on with another record."""
        pid = f"{next(self._pids)}"
        self.ledgers.append(RecordLedger(pid, self.world.add_record(pid)))

    @property
    def ledger(self) -> RecordLedger:
        """What is known of the present record."""
        return self.ledgers[-1]

    # what is checked --------------------------------------------------------------------------------------------------

    def check(self, *, settled: bool = False) -> None:
        """Check the invariants.

        Raises:
            Violation: with everything that does not hold.
        """
        found = [
            f"record {ledger.pid}: {fault}"
            for ledger in self.ledgers
            for fault in Checker(self.backend, ledger, settled=settled).faults()
        ]
        found += unknown_to_rows(self.backend)
        if found:
            raise Violation("; ".join(found))

    def follow(self) -> None:
        """Bring the ledger up to date."""
        for ledger in self.ledgers:
            Checker(self.backend, ledger).follow()

    def settle(self) -> None:
        """Let time pass and the schedule run, check that nothing is pending any more, and clean up behind."""
        self.check()
        for _ in range(SETTLING_DAYS):
            self.backend.clock.forward(seconds=DAY + 60)
            self.world.service.sweep()
            self.world.service.reconcile()
        self.check(settled=True)
        self.clean_up()

    def clean_up(self) -> None:
        """Remove all that the store holds, so that the next sequence begins with nothing."""
        db.session.rollback()
        store, s3_bucket = self.world.service.context.store, self._s3_bucket()
        for key, _, _ in self.backend.objects():
            store.delete_object(s3_bucket, key)
        for upload in list(store.list_uploads(s3_bucket)):
            store.abort_upload(s3_bucket, upload.key, upload.upload_id)

    def _s3_bucket(self) -> str:
        uri: str = self.world.bucket(self.ledger.pid).location.uri
        return uri.removeprefix("s3://").rstrip("/")

    def _expect(self, condition: bool, what: str) -> None:
        if not condition:
            raise Violation(what)

    def _ask(self, fault: Fault | None, *allowed: int, ask: Callable[[], Any]) -> Any:
        """Make a request in which a fault may happen; None if its answer was lost with the database."""
        try:
            with injected(fault, self.backend.faults):
                answer = ask()
        except OperationalError:
            if fault is None or fault.call != "commit":
                raise
            db.session.rollback()
            return None
        if fault is not None:
            allowed = (*allowed, 409, 410, 404, 503)
        self._expect(answer.status_code in allowed, f"answered {answer.status_code} {answer.text[:300]}")
        return answer

    def pending(self, key: str) -> Upload | None:
        """The upload of the key that has not ended."""
        found: Upload | None = self.world.service.find_pending(self.ledger.bucket_id, key)
        return found

    def _sent(self, upload: Upload) -> dict[int, tuple[int, str]]:
        return self.ledger.sent.setdefault(upload.id, {})

    def _alive(self, upload: Upload | None) -> bool:
        return upload is not None and upload.state is State.OPEN and upload.expires_at > self.backend.clock()

    # clients ----------------------------------------------------------------------------------------------------------

    def open(self, key: str, parts: int, last: int, fingerprint: str | None, fault: Fault | None) -> None:
        """Open an upload; again, the same one."""
        size, before = PART * (parts - 1) + last, self.pending(key)
        fields = {"key": key, "size": size, "part_size": PART, "fingerprint": fingerprint, "pid": self.ledger.pid}
        answer = self._ask(fault, 201, 409, ask=lambda: self.world.client().open(**fields))
        if answer is None or answer.status_code != 201:
            return
        now = self.pending(key)
        self._expect(now is not None and now.public_id == answer.json["uploadId"], "another upload is pending")
        assert now is not None
        self._expect((now.size, now.state) == (size, State.OPEN), f"opened {now.size} bytes, {now.state}")
        if self._alive(before):
            assert before is not None
            self._expect(before.id == now.id, "a repetition opened another upload")

    def put(self, key: str, number: int, seed: int, *, off_by: int = 0, beyond: bool = False) -> None:
        """Put a part as planned or not; one that is there is replaced."""
        upload = self.pending(key)
        if upload is None or upload.s3_upload_id is None:
            return
        number = upload.parts_count + 1 if beyond else 1 + number % upload.parts_count
        planned = PART if beyond else upload.plan.size_of(number)
        size = max(planned + off_by, 1)
        etag = self.backend.put(upload, number, size, seed)
        if etag is not None:
            self._sent(upload)[number] = (size, etag)

    def put_all(self, key: str, seed: int) -> None:
        """Put all parts that are not there as planned."""
        upload = self.pending(key)
        if upload is not None:
            for number in range(upload.parts_count):
                if self._sent(upload).get(number + 1, (0, ""))[0] != upload.plan.size_of(number + 1):
                    self.put(key, number, seed)

    def list(self, key: str, fault: Fault | None) -> None:
        """Ask what has arrived."""
        upload = self.pending(key)
        answer = self._ask(fault, 200, 404, ask=lambda: self.world.client().act("parts", key, self.ledger.pid))
        if answer is None or answer.status_code != 200 or upload is None or upload.state is not State.OPEN:
            return
        listed = {part["part"]: (part["size"], part["etag"]) for part in answer.json["parts"]}
        self._expect(listed == self._sent(upload), f"lists {listed}, sent was {self._sent(upload)}")

    def sign(self, key: str, fault: Fault | None) -> None:
        """Ask for a URL."""
        alive, body = self._alive(self.pending(key)), {"parts": "1"}
        answer = self._ask(
            fault, 200, 404, 409, 410,
            ask=lambda: self.world.client().act("sign", key, self.ledger.pid, json=body),
        )  # fmt: skip
        if answer is not None:
            self._expect((answer.status_code == 200) == alive, f"signed: {answer.status_code}, open: {alive}")

    def complete(self, key: str, claims: str, fault: Fault | None) -> None:
        """Complete the upload, saying which parts were sent, or not, or wrongly; then once more if that was fine."""
        upload = self.pending(key)
        sent = self._sent(upload) if upload is not None else {}
        body = {"parts": [{"PartNumber": number, "ETag": f'"{etag}"'} for number, (_, etag) in sent.items()]}
        if claims == "wrong":
            body = {"parts": [{"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}]}

        def ask() -> Any:
            return self.world.client().act("complete", key, self.ledger.pid, json={} if claims == "none" else body)

        alive = self._alive(upload)
        answer = self._ask(fault, 200, 404, 409, 410, ask=ask)
        if answer is None or upload is None:
            return
        if fault is None and alive:
            right = as_planned(upload, sent) and claims != "wrong"
            gone = upload.version_id in self.ledger.uncounted  # its key was deleted behind its back
            expected = 409 if not right else 410 if gone else 200
            self._expect(answer.status_code == expected, f"answered {answer.status_code}, not {expected}")
        if answer.status_code == 200:
            checksum = f"multipart:{composite(sent)}-{upload.part_size}"
            self._expect(answer.json["checksum"] == checksum, f"answered {answer.json['checksum']}, not {checksum}")
            again = ask()
            self._expect((again.status_code, again.json) == (200, answer.json), "another answer the second time")

    def abort(self, key: str, fault: Fault | None) -> None:
        """Abort the upload; then once more if that was fine."""

        def ask() -> Any:
            return self.world.client().act("abort", key, self.ledger.pid)

        answer = self._ask(fault, 200, 404, 409, ask=ask)
        if answer is not None and answer.status_code == 200:
            self._expect(self.pending(key) is None, "aborted, but there is one pending")
            again = ask()
            self._expect((again.status_code, again.json) == (200, answer.json), "another answer the second time")

    def delete_file(self, key: str, fault: Fault | None) -> None:
        """Delete the file over REST."""
        path = file_path(key, self.ledger.pid)
        answer = self._ask(fault, 204, 404, 409, ask=lambda: self.world.client()("DELETE", path))
        if answer is not None and answer.status_code == 204:
            self._expect(self.world.head(key, self.ledger.pid) is None, "deleted, but there is a head")

    def read(self, key: str) -> None:
        """Download as a reader: the file that the ledger says, or nothing."""
        answer = self.world.client("reader")("GET", file_path(key, self.ledger.pid))
        self._expect(answer.status_code in (302, 404), f"answered {answer.status_code}")
        head = self.world.head(key, self.ledger.pid)
        readable = head is not None and head.file.readable
        self._expect((answer.status_code == 302) == readable, f"readers get {answer.status_code}, readable: {readable}")

    # others -----------------------------------------------------------------------------------------------------------

    def delete_behind(self, key: str) -> None:
        """Delete the file by Invenio's own call, behind the back of a pending upload."""
        record = self.world.record(self.ledger.pid)
        if ObjectVersion.get(record.bucket, key) is not None:
            del record.files[key]
            record.commit()
        db.session.commit()

    def add_file(self, key: str, size: int) -> None:
        """Make a file by other means, perhaps while an upload is pending."""
        version_id = self.world.add_file(key, size, self.ledger.pid)
        self.ledger.heads[key] = version_id

    def delete_record(self) -> None:
        """Delete the record, and go on with another one."""
        self.world.record(self.ledger.pid).delete()
        db.session.commit()
        self.ledger.deleted = True
        self.new_record()

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.backend.clock.forward(seconds=seconds)

    def sweep(self, fault: Fault | None) -> None:
        """Run the sweep."""
        self._run(fault, self.world.service.sweep)

    def reconcile(self, fault: Fault | None) -> None:
        """Run the reconciliation, which knows every upload at the store."""
        report = self._run(fault, lambda: self.world.service.reconcile(s3_buckets=[self._s3_bucket()]))
        if report is not None:
            self._expect(report.unknown == [], f"nobody knows {report.unknown}")

    def _run(self, fault: Fault | None, task: Callable[[], Any]) -> Any:
        try:
            with injected(fault, self.backend.faults):
                return task()
        except Exception as error:  # a task may fail with the database, or where it only reports: it runs again
            if fault is None or not (fault.call == "commit" or fault.call == "list_uploads"):
                raise Violation(f"the task failed: {error!r}") from error
            db.session.rollback()
            return None
