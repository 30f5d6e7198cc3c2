"""How a run ended, in words and in the data plane's envelope."""

from __future__ import annotations

import pytest

from azml_magics.emulator.verdict import Trouble, error_of, trouble_of


def test_a_good_end_is_no_trouble():
    assert trouble_of("exited", 0) is None


@pytest.mark.parametrize(
    ("reason", "code", "text"),
    [
        ("exited", 2, "ValueError: x. Process exited with code 2."),
        ("exited", -9, "ended by signal 9"),
        ("timed-out", None, "exceeded MaxRunDurationSeconds (5 s)"),
        ("vanished", None, "gone"),
        ("stopped", None, "stopped"),
    ],
)
def test_each_bad_end_has_its_words(reason, code, text):
    trouble = trouble_of(reason, code, words="ValueError: x", limit=5)
    assert trouble is not None
    assert text in trouble.message


def test_very_long_last_words_are_cut():
    trouble = trouble_of("exited", 1, words="x" * 100_000)
    assert trouble is not None
    assert len(trouble.message) < 3000


def test_an_error_has_a_list_of_details_and_an_inner_code():
    error = error_of(Trouble("No.", "ImageBuildFailure"), "2026-01-01T00:00:00.0000000+00:00")["error"]
    assert (error["code"], error["details"], error["innerError"]["code"]) == ("UserError", [], "ImageBuildFailure")


def test_a_missing_package_says_where_packages_come_from():
    trouble = trouble_of("exited", 1, words="ModuleNotFoundError: No module named 'x'")
    assert trouble is not None
    assert "--build-environments" in trouble.message


def test_a_last_line_that_is_no_exception_is_named_as_one():
    trouble = trouble_of("exited", 2, words="a")
    assert trouble is not None
    assert trouble.message.startswith("Process exited with code 2. Its last line: a.")
