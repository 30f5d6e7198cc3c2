"""Workers do what they are handed, outlive what goes wrong, and begin nothing once they are closed."""

from __future__ import annotations

import threading

from azml_magics.emulator.workers import Workers


def test_things_are_done_at_the_same_time():
    both = threading.Barrier(2, timeout=10)
    met = threading.Semaphore(0)
    workers = Workers(2, "test")
    for _ in range(2):
        workers.hand(lambda: (both.wait(), met.release()))
    assert met.acquire(timeout=10)
    assert met.acquire(timeout=10)
    workers.close(10)


def test_a_failure_costs_no_thread(caplog):
    done = threading.Event()
    workers = Workers(1, "test")
    workers.hand(lambda: 1 // 0)
    workers.hand(done.set)
    assert done.wait(10)
    workers.close(10)
    assert "ZeroDivisionError" in caplog.text


def test_a_closed_pool_takes_nothing():
    done = threading.Event()
    workers = Workers(1, "test")
    workers.close(0)
    workers.hand(done.set)
    assert not done.wait(0.05)
