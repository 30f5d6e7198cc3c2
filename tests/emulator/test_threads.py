from __future__ import annotations

import asyncio
import threading

import pytest

from azml_magics.emulator.threads import Threads


@pytest.fixture
def threads():
    threads = Threads(3, "test")
    yield threads
    threads.close()


def test_work_is_done_on_another_thread_and_its_result_comes_back(threads):
    async def ask():
        return await threads.run(lambda a, b: (a + b, threading.current_thread()), 1, 2)

    total, thread = asyncio.run(ask())
    assert total == 3
    assert thread is not threading.current_thread()


def test_what_it_raises_is_raised_where_it_is_awaited(threads):
    async def ask():
        await threads.run(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(ask())


def test_work_that_waits_does_not_hold_up_the_rest(threads):
    release = threading.Event()

    async def ask():
        waiting = [asyncio.create_task(threads.run(release.wait, 10)) for _ in range(2)]
        quick = [await threads.run(threading.get_ident) for _ in range(50)]
        release.set()
        return await asyncio.gather(*waiting), quick

    waited, quick = asyncio.run(ask())
    assert waited == [True, True]
    assert len(quick) == 50


def test_there_are_never_more_threads_than_allowed(threads):
    barrier = threading.Barrier(3)

    async def ask():
        return await asyncio.gather(*(threads.run(barrier.wait, 10) for _ in range(9)))

    before = threading.active_count()
    assert sorted(asyncio.run(ask())) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert threading.active_count() == before + 3


def test_whoever_does_not_wait_any_more_is_not_answered(threads):
    release, done = threading.Event(), threading.Event()

    def work():
        release.wait(10)
        done.set()

    async def ask():
        task = asyncio.create_task(threads.run(work))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        release.set()
        return await threads.run(done.wait, 10)

    assert asyncio.run(ask())


def test_an_answer_for_a_loop_that_is_closed_is_dropped(threads):
    release = threading.Event()

    async def ask():
        asyncio.create_task(threads.run(release.wait, 10))  # noqa: RUF006  (it is left behind on purpose)
        await asyncio.sleep(0)

    asyncio.run(ask())
    release.set()
    threads.close()


def test_nothing_was_started_when_nothing_was_asked():
    before = threading.active_count()
    Threads(3, "test").close()
    assert threading.active_count() == before
