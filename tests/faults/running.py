# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""How a case is run: bring a record to the step, do the step with the fault in it, and let somebody recover."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.servers.process import ServerError
from tests.stack.client import Answer
from tests.stack.stack import RECONCILE, SWEEP, TaskNotDone

from . import store_faults
from .database_proxy import Commit, Query, Stop
from .invariants import Sent, check
from .proxy import WAIT_SECONDS, Behaviour, Injection, Operation
from .table import Case, Fault, Moment
from .world import DAY, PART, World, content_of

STORE_TIMEOUT = 1.0
ATTEMPTS = 2
COMPLETE_TIMEOUT = 1.5
SETTINGS: dict[str, Any] = {
    "S3_MULTIPART_STORE_TIMEOUT": STORE_TIMEOUT,
    "S3_MULTIPART_STORE_ATTEMPTS": ATTEMPTS,
    "S3_MULTIPART_COMPLETE_TIMEOUT": COMPLETE_TIMEOUT,
    "S3_MULTIPART_BUSY_WAIT": 0.5,
}
"""Short patience, so that a test needs little; leases are waited for by moving the clock."""

REPETITIONS = 12
GIVEN_UP = (400, 401, 403, 404, 405, 410, 413, 415)
"""Answers after which a client does not ask the same again."""

_HELD = {
    Fault.KILL_WEB: "kill",
    Fault.KILL_CELERY: "kill",
    Fault.RESTART_DATABASE: "database",
    Fault.RESTART_BROKER: "broker",
    Fault.RESTART_STORE: "store",
}

_TOO_LATE = {Operation.COMPLETE: COMPLETE_TIMEOUT + 0.3}


def behaviour_of(fault: Fault, moment: Moment, operation: Operation) -> Behaviour:
    """What the proxy does to a call to the store."""
    done = moment is not Moment.BEFORE_STORE
    seconds = _TOO_LATE.get(operation, STORE_TIMEOUT + 0.3)
    if fault in _HELD:
        return store_faults.hold_answer if done else store_faults.hold_before
    return {
        Fault.CUT: store_faults.cut_before,
        Fault.ANSWER_LOST: store_faults.lose_answer,
        Fault.DELAYED: store_faults.delay_answer(seconds) if done else store_faults.delay_request(seconds),
        Fault.ERROR_500: store_faults.refuse(500, "InternalError", done=done),
        Fault.SLOW_DOWN: store_faults.refuse(503, "SlowDown", Retry_After="1"),
        Fault.ERROR_IN_200: store_faults.refuse(200, "InternalError", done=done),
        Fault.NO_SUCH_UPLOAD: store_faults.refuse(404, "NoSuchUpload", done=True),
        Fault.LAGGING_LIST: store_faults.drop_last("Upload" if operation is Operation.LIST_UPLOADS else "Part"),
        Fault.EMPTY_ETAG: store_faults.empty_etags,
    }[fault]


@contextmanager
def injected(world: World, case: Case) -> Iterator[Injection | Stop]:
    """Put the fault of the case in."""
    at = case.step.at(case.fault, case.moment)
    if isinstance(at, Commit | Query):
        with world.database_proxy.stop_at(at, hold=case.fault in _HELD) as stop:
            yield stop
        return
    # A call that is tried again and again has to fail each time, or the caller would never know. A worker dies once,
    # the join is tried once, and a client's own PUT as well.
    once = case.fault in _HELD or at in (Operation.COMPLETE, Operation.PUT_PART)
    answered = case.fault in (Fault.LAGGING_LIST, Fault.EMPTY_ETAG, Fault.NO_SUCH_UPLOAD, Fault.ERROR_IN_200)
    times = 1 if once or answered else ATTEMPTS
    behaviour = behaviour_of(case.fault, case.moment, at)
    with world.store_proxy.inject(behaviour, at, times=times) as injection:
        yield injection


def strike(world: World, case: Case, act: Callable[[], Any]) -> Any:
    """Do the step with the fault in it, and return what came of it; None where nobody was left to answer."""
    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(act()))
    with injected(world, case) as fault:
        thread.start()
        if case.fault in _HELD:
            port = fault.wait_reached()
            if _HELD[case.fault] == "kill":
                world.stack.kill_owner(port)
                fault.release(cut=True)
            else:
                world.servers.restart(_HELD[case.fault])
                fault.release()
        thread.join(2 * WAIT_SECONDS)
        assert not thread.is_alive(), "the step has no end"
        assert fault.count, "the fault was never met"
    return outcome[0] if outcome else None


@dataclass
class Run:
    """One case: a record with a file whose depositor comes back, and one whose depositor does not."""

    world: World
    case: Case
    pid: str = ""
    sent: dict[str, Sent] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)

    RETURNING = "comes back.bin"
    GONE = "nobody.bin"

    def run(self) -> None:
        """Run the case, and check everything as soon as the depositor is done, and when time has passed."""
        self.pid = self.world.add_record()
        before = content_of(f"previous {self.case.name}")
        self.world.upload(self.pid, self.RETURNING, before)
        self.sent = {
            self.RETURNING: Sent(before, (content_of(f"new {self.case.name}"),)),
            self.GONE: Sent(None, (content_of(f"gone {self.case.name}"),)),
        }
        if self.case.step.by_celery:
            self._run_task()
        else:
            for key in (self.RETURNING, self.GONE):
                self._prepare(key)
                strike(self.world, self.case, self._act(key))
            self._come_back()
        self._check(settled=False)
        self.world.settle()
        self._check(settled=True)
        if not self.case.step.by_celery:
            self._check_outcome()

    def _check(self, *, settled: bool) -> None:
        check(self.world, {self.pid: self.sent}, settled=settled)

    # what depositors do -----------------------------------------------------------------------------------------------

    def _prepare(self, key: str) -> None:
        """Bring an upload to the step."""
        name = self.case.step.name
        if name.startswith("open"):
            return
        content = self._content(key)
        self.sessions[key] = self.world.open(self.pid, key, content)
        if name not in ("sign", "put"):
            self.world.owner.put_parts(self.sessions[key], content)

    def _act(self, key: str) -> Callable[[], Answer]:
        owner, content = self.world.owner, self._content(key)
        name = self.case.step.name.partition("-")[0]
        if name == "open":
            return lambda: owner.open(self.pid, key, len(content), PART)
        if name == "put":
            part = self.sessions[key]["parts"][0]
            return lambda: owner.put_part(part, content[:PART])
        action = {"list": "parts"}.get(name, name)
        arguments: Mapping[str, Any] = {"json": {"parts": "1-3"}} if action == "sign" else {}
        return lambda: owner.act(action, self.pid, key, **arguments)

    def _content(self, key: str) -> bytes:
        return self.sent[key].new[0]

    def _come_back(self) -> None:
        """Repeat the last call until it goes on, and then go on to the end."""
        key, owner = self.RETURNING, self.world.owner
        answer = self._repeat(self._act(key))
        name = self.case.step.name
        if name.startswith("open"):
            owner.put_parts(answer.body["multipart_upload"], self._content(key))
        elif name == "sign":
            owner.put_parts({**self.sessions[key], "parts": answer.body["parts"]}, self._content(key))
        elif name == "put":
            owner.put_parts(self.sessions[key], self._content(key), [2, 3])
        elif name == "list":
            assert [part["part"] for part in answer.body["parts"]] == [1, 2, 3]
        if not name.startswith(("abort", "complete")):
            self._repeat(lambda: owner.act("complete", self.pid, key))

    def _repeat(self, call: Callable[[], Answer]) -> Answer:
        """Ask again as long as the answer invites to it; each time a minute later."""
        for _ in range(REPETITIONS):
            answer = call()
            if answer.ok:
                return answer
            assert answer.status not in GIVEN_UP, f"a client that repeats its call does not go on: {answer}"
            self.world.stack.forward(61)
        raise AssertionError(f"a client that repeats its call gets nowhere: {answer}")

    def _check_outcome(self) -> None:
        """The depositor who has come back has got what he asked for."""
        aborted = self.case.step.name.startswith("abort")
        expected = self.sent[self.RETURNING].previous if aborted else self._content(self.RETURNING)
        assert self.world.reader.read(self.pid, self.RETURNING).content == expected

    # what the schedule does -------------------------------------------------------------------------------------------

    def _run_task(self) -> None:
        name = self.case.step.name
        for key in (self.RETURNING, self.GONE):
            self._interrupt(key)
        self.world.stack.forward(DAY if name.startswith("sweep") else 1000)
        task = SWEEP if name.startswith("sweep") else RECONCILE
        strike(self.world, self.case, lambda: self._task(task))

    def _task(self, task: str) -> Any:
        """Run a task; how it ends is not the point here, and the one that was killed never does."""
        try:
            killed = self.case.fault is Fault.KILL_CELERY
            return self.world.stack.result(self.world.stack.send(task), seconds=0.1 if killed else WAIT_SECONDS)
        except (ServerError, TaskNotDone) as error:
            return error

    def _interrupt(self, key: str) -> None:
        """Leave an upload as the schedule may find it."""
        world, content = self.world, self._content(key)
        if self.case.step.name == "reconcile-opening":
            with world.store_proxy.inject(store_faults.lose_answer, Operation.CREATE, times=ATTEMPTS):
                assert not world.owner.open(self.pid, key, len(content), PART).ok
            return
        world.owner.put_parts(world.open(self.pid, key, content), content)
        if self.case.step.name.startswith("reconcile"):
            joined = self.case.step.name == "reconcile-joined"
            dies = Case(self.case.step, Moment.BEFORE_COMMIT if joined else Moment.BEFORE_STORE, Fault.KILL_WEB)
            behaviour = behaviour_of(dies.fault, dies.moment, Operation.COMPLETE)
            with world.store_proxy.inject(behaviour, Operation.COMPLETE) as injection:
                thread = threading.Thread(target=lambda: world.owner.act("complete", self.pid, key))
                thread.start()
                world.stack.kill_owner(injection.wait_reached())
                injection.release(cut=True)
                thread.join(WAIT_SECONDS)
