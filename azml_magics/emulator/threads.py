"""Threads on which an event loop has blocking work done. Lighter than the library's executor, for every request."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class _Task:
    loop: asyncio.AbstractEventLoop
    settle: Callable[[Any, BaseException | None], None]
    work: Callable[..., Any]
    arguments: tuple[Any, ...]

    def do(self) -> None:
        try:
            result, error = self.work(*self.arguments), None
        except BaseException as problem:  # noqa: BLE001  (whoever awaits the answer judges it)
            result, error = None, problem
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self.settle, result, error)


class Threads:
    """At most `count` threads, begun as they are needed. Close it when nothing is awaited any more."""

    def __init__(self, count: int, name: str) -> None:
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._count = count
        self._name = name
        self._threads: list[threading.Thread] = []
        #: Tasks that have not been answered. Only the event loop's thread counts, hence no lock.
        self._open = 0

    async def run(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """What `work` returns or raises, done on one of the threads. Called from one event loop only."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            self._open -= 1
            if answer.done():
                return  # whoever waited has gone
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        if self._open >= len(self._threads) < self._count:
            self._begin()
        self._open += 1
        self._tasks.put(_Task(loop, settle, work, arguments))
        return await answer

    def close(self) -> None:
        """End the threads, each after what it is at."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _begin(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (task := self._tasks.get()) is not None:
            task.do()
