# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The table of faults: what may happen, and where in which step.

``python -m tests.faults.table > docs/understanding/faults.md`` writes the page that shows it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from .database_proxy import Commit, Query
from .proxy import Operation


class Moment(StrEnum):
    """When in a step."""

    BEFORE_STORE = "before-store"
    BEFORE_COMMIT = "before-commit"
    BEFORE_ANSWER = "before-answer"


class Fault(StrEnum):
    """What happens."""

    KILL_WEB = "kill-web"
    KILL_CELERY = "kill-celery"
    RESTART_DATABASE = "restart-database"
    RESTART_BROKER = "restart-broker"
    RESTART_STORE = "restart-store"
    CUT = "cut"
    ANSWER_LOST = "answer-lost"
    DELAYED = "delayed"
    ERROR_500 = "error-500"
    SLOW_DOWN = "slow-down"
    ERROR_IN_200 = "error-in-200"
    NO_SUCH_UPLOAD = "no-such-upload"
    LAGGING_LIST = "lagging-list"
    EMPTY_ETAG = "empty-etag"
    COMMIT_LOST = "commit-lost"


MOMENTS: Mapping[Moment, str] = {
    Moment.BEFORE_STORE: "before the store is asked",
    Moment.BEFORE_COMMIT: "after the store has answered, before the commit",
    Moment.BEFORE_ANSWER: "after the commit, before the answer",
}

FAULTS: Mapping[Fault, str] = {
    Fault.KILL_WEB: "The web worker that serves the request is killed (SIGKILL).",
    Fault.KILL_CELERY: "The Celery worker that runs the task is killed (SIGKILL).",
    Fault.RESTART_DATABASE: "PostgreSQL shuts down at once, loses every connection, and replays its log.",
    Fault.RESTART_BROKER: "RabbitMQ is killed and started again.",
    Fault.RESTART_STORE: "Ceph's gateway is killed and started again.",
    Fault.CUT: "The connection is cut before the request has arrived, as often as it is tried.",
    Fault.ANSWER_LOST: "The store does it, and the connection is cut before it answers, as often as it is tried.",
    Fault.DELAYED: "The request arrives, or the answer comes, when the caller has long given up.",
    Fault.ERROR_500: "The store answers 500 InternalError; where it has done its work, all the same.",
    Fault.SLOW_DOWN: "The store answers 503 SlowDown.",
    Fault.ERROR_IN_200: "The store answers 200 with an error in the body.",
    Fault.NO_SUCH_UPLOAD: "The store does it, and answers that there is no such upload.",
    Fault.LAGGING_LIST: "The store's listing lacks what has come last.",
    Fault.EMPTY_ETAG: "The store's answer has no ETag.",
    Fault.COMMIT_LOST: "The connection to PostgreSQL is lost at the commit: before it is done, or before that is told.",
}


@dataclass(frozen=True)
class Step:
    """Something that an upload goes through.

    Attributes:
        name: as it stands in the names of the cases.
        text: what it is.
        operation: the call to the store in it.
        commit: the event that its transaction logs, or the statement that it ends with.
        by_celery: whether a Celery worker does it.
    """

    name: str
    text: str
    operation: Operation | None = None
    commit: str | Query | None = None
    by_celery: bool = False

    def at(self, fault: Fault, moment: Moment) -> Operation | Commit | Query:
        """Where the fault has to be put in: at a call to the store, or at a place of the database."""
        after_commit = moment is Moment.BEFORE_ANSWER and self.commit is not None
        if self.operation is not None and fault is not Fault.COMMIT_LOST and not after_commit:
            return self.operation
        if isinstance(self.commit, Query):
            return self.commit
        assert self.commit is not None
        return Commit(self.commit, done=moment is Moment.BEFORE_ANSWER)


UPLOAD_READ = Query(r"SELECT .*FROM oarepo_s3_uploads", done=True)

STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step("open-claim", "open: the row is written", commit="created"),
        Step("open", "open: the store opens it", Operation.CREATE, "opened"),
        Step("sign", "sign: URLs are signed, without asking the store", commit=UPLOAD_READ),
        Step("put", "put: a part goes from the client to the store", Operation.PUT_PART),
        Step("list", "list: what has arrived", Operation.LIST_PARTS),
        Step("complete-claim", "complete: the request claims the upload", commit="complete"),
        Step("complete-list", "complete: the parts are listed", Operation.LIST_PARTS, "completed"),
        Step("complete", "complete: the store joins the parts", Operation.COMPLETE, "completed"),
        Step("complete-head", "complete: the object is looked at", Operation.HEAD, "completed"),
        Step("abort-begin", "abort: the row says that it is over", commit="abort"),
        Step("abort", "abort: the store drops the upload", Operation.ABORT, "aborted"),
        Step("sweep-take", "sweep: the rows are taken", commit="expire", by_celery=True),
        Step("sweep", "sweep: the store drops the uploads", Operation.ABORT, "aborted", by_celery=True),
        Step("reconcile-opening", "reconcile: an opening without an end", Operation.LIST_UPLOADS, "aborted", True),
        Step("reconcile-joined", "reconcile: a completion that was done", Operation.HEAD, "completed", True),
        Step("reconcile-unjoined", "reconcile: one that was not", Operation.LIST_PARTS, "parts_refused", True),
    )
}

_STORE_FAULTS = (Fault.CUT, Fault.DELAYED, Fault.ERROR_500, Fault.SLOW_DOWN)
_BEFORE, _COMMIT, _ANSWER = Moment

CELLS: Mapping[tuple[str, Moment], tuple[Fault, ...]] = {
    ("open-claim", _COMMIT): (Fault.KILL_WEB, Fault.RESTART_DATABASE, Fault.COMMIT_LOST),
    ("open-claim", _ANSWER): (Fault.KILL_WEB, Fault.COMMIT_LOST),
    ("open", _BEFORE): (Fault.KILL_WEB, Fault.RESTART_DATABASE, Fault.RESTART_STORE, *_STORE_FAULTS),
    ("open", _COMMIT): (
        Fault.KILL_WEB, Fault.RESTART_DATABASE, Fault.ANSWER_LOST, Fault.DELAYED, Fault.ERROR_500, Fault.COMMIT_LOST,
    ),
    ("open", _ANSWER): (Fault.KILL_WEB, Fault.COMMIT_LOST),
    ("sign", _ANSWER): (Fault.KILL_WEB, Fault.RESTART_DATABASE, Fault.CUT),
    ("put", _BEFORE): (Fault.RESTART_STORE, Fault.CUT, Fault.ERROR_500, Fault.SLOW_DOWN),
    ("put", _ANSWER): (Fault.ANSWER_LOST, Fault.EMPTY_ETAG),
    ("list", _BEFORE): (Fault.KILL_WEB, Fault.RESTART_STORE, *_STORE_FAULTS),
    ("list", _ANSWER): (Fault.ANSWER_LOST, Fault.LAGGING_LIST, Fault.EMPTY_ETAG),
    ("complete-claim", _COMMIT): (Fault.KILL_WEB, Fault.COMMIT_LOST),
    ("complete-claim", _ANSWER): (Fault.KILL_WEB, Fault.COMMIT_LOST),
    ("complete-list", _BEFORE): (Fault.KILL_WEB, Fault.CUT, Fault.SLOW_DOWN),
    ("complete-list", _COMMIT): (Fault.LAGGING_LIST, Fault.EMPTY_ETAG),
    ("complete", _BEFORE): (
        Fault.KILL_WEB, Fault.RESTART_DATABASE, Fault.RESTART_STORE, *_STORE_FAULTS, Fault.ERROR_IN_200,
    ),
    ("complete", _COMMIT): (
        Fault.KILL_WEB, Fault.RESTART_DATABASE, Fault.ANSWER_LOST, Fault.DELAYED,
        Fault.ERROR_500, Fault.ERROR_IN_200, Fault.NO_SUCH_UPLOAD, Fault.COMMIT_LOST,
    ),
    ("complete", _ANSWER): (Fault.KILL_WEB, Fault.RESTART_DATABASE, Fault.COMMIT_LOST),
    ("complete-head", _BEFORE): (Fault.KILL_WEB, Fault.CUT, Fault.ERROR_500),
    ("complete-head", _COMMIT): (Fault.ANSWER_LOST, Fault.EMPTY_ETAG),
    ("abort-begin", _COMMIT): (Fault.KILL_WEB, Fault.COMMIT_LOST),
    ("abort-begin", _ANSWER): (Fault.KILL_WEB, Fault.COMMIT_LOST),
    ("abort", _BEFORE): (Fault.KILL_WEB, Fault.RESTART_DATABASE, Fault.RESTART_STORE, *_STORE_FAULTS),
    ("abort", _COMMIT): (Fault.KILL_WEB, Fault.ANSWER_LOST, Fault.NO_SUCH_UPLOAD, Fault.COMMIT_LOST),
    ("abort", _ANSWER): (Fault.KILL_WEB, Fault.COMMIT_LOST),
    ("sweep-take", _COMMIT): (Fault.KILL_CELERY, Fault.COMMIT_LOST),
    ("sweep-take", _ANSWER): (Fault.KILL_CELERY, Fault.COMMIT_LOST),
    ("sweep", _BEFORE): (
        Fault.KILL_CELERY, Fault.RESTART_DATABASE, Fault.RESTART_BROKER, Fault.RESTART_STORE, *_STORE_FAULTS,
    ),
    ("sweep", _COMMIT): (Fault.KILL_CELERY, Fault.ANSWER_LOST, Fault.NO_SUCH_UPLOAD, Fault.COMMIT_LOST),
    ("sweep", _ANSWER): (Fault.KILL_CELERY, Fault.COMMIT_LOST),
    ("reconcile-opening", _BEFORE): (Fault.KILL_CELERY, Fault.CUT),
    ("reconcile-opening", _COMMIT): (Fault.KILL_CELERY, Fault.LAGGING_LIST, Fault.COMMIT_LOST),
    ("reconcile-joined", _BEFORE): (Fault.KILL_CELERY, Fault.RESTART_BROKER, Fault.CUT, Fault.ERROR_500),
    ("reconcile-joined", _COMMIT): (Fault.KILL_CELERY, Fault.RESTART_DATABASE, Fault.EMPTY_ETAG, Fault.COMMIT_LOST),
    ("reconcile-joined", _ANSWER): (Fault.KILL_CELERY, Fault.COMMIT_LOST),
    ("reconcile-unjoined", _BEFORE): (Fault.KILL_CELERY, Fault.SLOW_DOWN),
    ("reconcile-unjoined", _COMMIT): (Fault.COMMIT_LOST,),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One fault at one moment of one step."""

    step: Step
    moment: Moment
    fault: Fault

    @property
    def name(self) -> str:
        """``step/moment/fault``."""
        return f"{self.step.name}/{self.moment}/{self.fault}"


CASES = [Case(STEPS[step], moment, fault) for (step, moment), faults in CELLS.items() for fault in faults]


def page() -> Iterator[str]:
    """The lines of docs/understanding/faults.md."""
    yield from (
        "% SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.",
        "% SPDX-License-Identifier: MIT",
        "",
        "# What is tried to break it",
        "",
        "Each cross is a test: `./run-tests.sh faults` runs it against PostgreSQL, RabbitMQ, Ceph, two web workers",
        "and two Celery workers, with a proxy in front of the store and one in front of the database that put the",
        f"fault in at exactly that place. There are {len(CASES)} of them. This page is generated from the same table.",
        "",
        "After the fault a depositor repeats the last call until it goes on; for a second file nobody comes back, and",
        "the schedule of the operator runs. Then the same checker looks at everything: rows and their logs, objects",
        "and uploads at the store, the bucket's size, previous versions, the record's list of files, and what readers",
        "get.",
        "",
        "- A file is readable and exactly what was sent, or it is as if it had never been.",
        "- Nothing stays at the store that no row knows, and nothing that has ended.",
        "- The quota is exact.",
        "",
        "## The faults",
        "",
    )
    for fault, text in FAULTS.items():
        yield f"`{fault}`"
        yield f": {text}"
        yield ""
    for step in STEPS.values():
        yield from _table(step)


def _table(step: Step) -> Iterator[str]:
    moments = {moment: faults for (name, moment), faults in CELLS.items() if name == step.name}
    yield f"## {step.text[0].upper()}{step.text[1:]}"
    yield ""
    yield f"| `{step.name}` | " + " | ".join(_moment_text(step, moment) for moment in moments) + " |"
    yield "|---|" + ":---:|" * len(moments)
    for fault in Fault:
        crosses = ["×" if fault in faults else " " for faults in moments.values()]
        if "×" in crosses:
            yield f"| `{fault}` | " + " | ".join(crosses) + " |"
    yield ""


def _moment_text(step: Step, moment: Moment) -> str:
    if isinstance(step.commit, Query):
        return "after the row is read, before the answer"
    if moment is Moment.BEFORE_COMMIT and step.operation is None:
        return "before the commit"
    if moment is Moment.BEFORE_ANSWER and step.commit is None:
        return "after the store has done it, before its answer arrives"
    return MOMENTS[moment]


if __name__ == "__main__":
    print("\n".join(page()).rstrip())
