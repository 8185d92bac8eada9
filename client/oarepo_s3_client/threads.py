# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Performs flows with threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import httpx

from oarepo_s3_client import api
from oarepo_s3_client.connections import fault_of, request_options, response_of
from oarepo_s3_client.errors import Interrupted
from oarepo_s3_client.flows import Blocking, Effect, Flow, Lanes, Parts
from oarepo_s3_client.many import ManyUploads
from oarepo_s3_client.servers.protocol import Request, Sleep
from oarepo_s3_client.work import Work

T = TypeVar("T")
Results = SimpleQueue[tuple[Work, Any] | None]


class ThreadRunner:
    """Runs flows in the thread of the caller, and moves parts in threads of its own.

    Args:
        options: of the client.
        http: asks the repository.
    """

    def __init__(self, options: api.Options, http: httpx.Client):
        self._options, self._http = options, http
        # One more thread than lanes, so that asking for URLs does not wait for a part to be through.
        self._pool = ThreadPoolExecutor(options.parallel + 1, thread_name_prefix="oarepo-s3")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def run(self, flow: Flow[T], target: str, cancel: api.Cancel) -> T:
        """Perform what a flow yields, and return what it returns."""
        try:
            effect = next(flow)
            while True:
                try:
                    result = self._perform(effect, target, cancel)
                except Exception as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            flow.close()

    def run_many(self, many: ManyUploads, target: str, cancel: api.Cancel) -> None:
        """Run uploads in as many threads as there are lanes."""

        def work() -> None:
            while (taken := many.take()) is not None:
                item, upload = taken
                try:
                    outcome: Any = self.run(upload.run(), target, cancel)
                except BaseException as error:
                    outcome = error
                many.settle(item, outcome)

        threads = [threading.Thread(target=work, name=f"oarepo-s3-file-{n}") for n in range(self._options.parallel)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException as error:  # Ctrl-C: the threads are told, and end soon
            many.end(error)
            cancel.cancel()
            for thread in threads:
                thread.join()
            raise

    def _perform(self, effect: Effect, target: str, cancel: api.Cancel) -> Any:
        if isinstance(effect, Lanes):
            return self._move(effect.parts, target, cancel)
        if cancel.cancelled:
            raise Interrupted("Interrupted; what has arrived stays.")
        if isinstance(effect, Blocking):
            return effect.call()
        if isinstance(effect, Sleep):
            return cancel.wait(effect.seconds)
        return self._ask(effect, target)

    def _ask(self, request: Request, target: str) -> Any:
        try:
            return response_of(self._http.request(**request_options(request, self._options, target)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return fault_of(error)

    def _move(self, parts: Parts, target: str, cancel: api.Cancel) -> None:
        results: Results = SimpleQueue()
        under_way: list[Work] = []
        try:
            with cancel.calling(lambda: results.put(None)):
                while not self._begin(parts, under_way, results, target, cancel):
                    try:
                        result = results.get(timeout=parts.due)
                    except Empty:
                        continue
                    if result is None:
                        parts.stop()
                    else:
                        under_way.remove(result[0])
                        parts.settle(*result)
        finally:
            if not parts.finished:
                parts.stop()
            while under_way:
                late = results.get()
                if late is not None:
                    under_way.remove(late[0])

    def _begin(self, parts: Parts, under_way: list[Work], results: Results, target: str, cancel: api.Cancel) -> bool:
        """Begin what can be begun; whether all is done."""

        def work(item: Work) -> None:
            try:
                outcome = self.run(parts.job(item), target, cancel)
            except BaseException as error:  # whatever it is, the thread that waits has to know
                outcome = error
            results.put((item, outcome))

        for item in parts.next_work():
            under_way.append(item)
            self._pool.submit(work, item)
        return parts.finished
