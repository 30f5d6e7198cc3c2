"""Things to do later are done in the order in which they are due."""

from __future__ import annotations

import threading

from azml_magics.emulator.timeline import Timeline


def test_what_is_due_first_is_done_first():
    done: list[str] = []
    ended = threading.Event()
    timeline = Timeline(lambda action: action())
    timeline.after(0.06, lambda: (done.append("late"), ended.set()))
    timeline.after(0.02, lambda: done.append("early"))
    timeline.after(0, lambda: done.append("now"))
    assert ended.wait(10)
    timeline.close()
    assert done == ["now", "early", "late"]


def test_what_is_not_due_at_the_end_is_dropped():
    done: list[str] = []
    timeline = Timeline(lambda action: action())
    timeline.after(60, lambda: done.append("never"))
    timeline.close()
    timeline.after(0.001, lambda: done.append("too late"))
    assert done == []
