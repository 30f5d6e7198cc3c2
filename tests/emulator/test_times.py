"""Times: whatever clients write, one form that compares as text is kept."""

from __future__ import annotations

import pytest

from azml_magics.emulator.times import duration, milliseconds, normal, stamp


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05+00:00",
        "2026-01-02 03:04:05",
        "2026-01-02T04:04:05.0000000+01:00",
        "2026-01-02T03:04:05.00Z",
    ],
)
def test_every_form_is_read_as_the_same_time(text):
    assert normal(text) == "2026-01-02T03:04:05.0000000+00:00"


def test_what_is_no_time_is_an_error():
    with pytest.raises(ValueError):
        normal("yesterday")


def test_a_stamp_counts_as_mlflow_does():
    assert milliseconds(stamp(1700000000.25)) == 1700000000250
    assert milliseconds(None) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT30M", 1800), ("PT2H5S", 7205), ("P1D", 86400), ("soon", 0), (None, 0)]
)
def test_durations(text, seconds):
    assert duration(text) == seconds
