"""One thread for all views, and how often it asks."""

import logging
import threading

from azml_magics.views.poller import SLOW, UNSEEN, WORST, Pace, Poller


class Turns:
    """A job that counts its turns and tells when there were so many."""

    def __init__(self, delays):
        self.delays, self.count, self.threads = iter(delays), 0, set()
        self.ended, self.begun = threading.Event(), threading.Event()

    def __call__(self):
        self.count += 1
        self.threads.add(threading.current_thread())
        self.begun.set()
        again = next(self.delays, None)
        if again is None:
            self.ended.set()
        return again


def test_a_job_runs_until_it_returns_none():
    poller, job = Poller(), Turns([0.0, 0.01, 0.0])
    poller.add("a", job)
    assert job.ended.wait(5)
    poller.close()
    assert job.count == 4
    assert poller.keys() == []


def test_all_jobs_share_one_daemon_thread():
    poller, jobs = Poller(), [Turns([0.0] * 5) for _ in range(4)]
    for number, job in enumerate(jobs):
        poller.add(str(number), job)
    assert all(job.ended.wait(5) for job in jobs)
    (thread,) = set().union(*(job.threads for job in jobs))
    assert thread.daemon


def test_jobs_come_in_the_order_in_which_they_are_due():
    poller, order, last = Poller(), [], threading.Event()
    poller.add("late", lambda: (order.append("late"), last.set())[1], 0.1)
    poller.add("early", lambda: order.append("early"), 0.02)
    assert last.wait(5)
    assert order == ["early", "late"]


def test_the_same_key_replaces_the_job():
    poller, old, new = Poller(), Turns([60.0]), Turns([])
    poller.add("a", old, 60)
    poller.add("a", new)
    assert new.ended.wait(5)
    assert old.count == 0
    assert poller.keys() == []


def test_a_removed_job_has_no_further_turn():
    poller, job, after = Poller(), Turns([0.05] * 100), Turns([])
    poller.add("a", job)
    assert job.begun.wait(5)
    poller.remove("a")
    count = job.count
    poller.add("b", after, 0.15)
    assert after.ended.wait(5)
    assert job.count == count


def test_a_job_removed_during_its_turn_is_not_taken_up_again():
    poller, after = Poller(), Turns([])
    count = []

    def job():
        count.append(1)
        poller.remove("a")
        return 0.0

    poller.add("a", job)
    poller.add("b", after, 0.1)
    assert after.ended.wait(5)
    assert len(count) == 1


def test_a_bug_in_one_job_ends_that_job_alone(caplog):
    poller, other = Poller(), Turns([0.01, 0.01])

    def broken():
        raise KeyError("bug")

    with caplog.at_level(logging.ERROR):
        poller.add("broken", broken)
        poller.add("other", other, 0.01)
        assert other.ended.wait(5)
    assert "a view's job failed" in caplog.text
    assert set(poller.keys()) <= {"other"}


def test_close_ends_every_job():
    poller, job = Poller(), Turns([60.0] * 9)
    poller.add("a", job)
    poller.add("b", job, 60)
    assert job.begun.wait(5)
    poller.close()
    assert poller.keys() == []


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


def test_failures_double_the_wait_up_to_a_minute_and_success_ends_that():
    pace, waits = Pace(2.0, Clock()), []
    for _ in range(8):
        pace.failed()
        waits.append(pace.wait())
    assert waits == [4, 8, 16, 32, 60, 60, 60, 60]
    pace.succeeded()
    assert pace.wait() == 2.0


def test_the_interval_is_never_shortened_by_the_limit():
    pace = Pace(2 * WORST, Clock())
    pace.failed()
    assert pace.wait() == 2 * WORST


def test_retry_after_is_the_least_wait():
    pace = Pace(2.0, Clock())
    pace.failed(90.0)
    assert pace.wait() == 90.0
    pace.failed(1.0)
    assert pace.wait() == 8.0
    pace.failed(float("nan"))
    assert pace.wait() == 16.0
    pace.failed(1e9)
    assert pace.wait() == 3600.0


def test_a_view_that_nobody_looks_at_slows_down_and_is_hurried_when_somebody_does():
    clock = Clock()
    pace = Pace(2.0, clock)
    clock.at += UNSEEN - 1
    assert pace.wait() == 2.0
    clock.at += 2
    assert pace.wait() == SLOW
    assert pace.seen()
    assert pace.wait() == 2.0
    assert not pace.seen()


def test_a_running_cell_excuses_silence():
    clock = Clock()
    pace = Pace(2.0, clock)
    clock.at += 10 * UNSEEN
    assert pace.wait(busy=True) == 2.0


def test_looking_does_not_hurry_a_service_that_fails():
    clock = Clock()
    pace = Pace(2.0, clock)
    pace.failed(50.0)
    clock.at += 2 * UNSEEN
    assert pace.wait() == 50.0
    assert not pace.seen()
    assert pace.wait() == 50.0
