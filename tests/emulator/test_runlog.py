"""The log of a run: the emulator's lines and the script's last words."""

from __future__ import annotations

import pytest

from azml_magics.emulator.runlog import LOG, last_words, note

TRACEBACK = """before
Traceback (most recent call last):
  File "hello.py", line 1, in <module>
    raise KeyError("first")
KeyError: 'first'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "hello.py", line 3, in <module>
    raise ValueError("second")
ValueError: second
View run at http://127.0.0.1
"""
SYNTAX = """  File "hello.py", line 1
    print(
         ^
SyntaxError: '(' was never closed
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TRACEBACK, "ValueError: second"),
        (SYNTAX, "SyntaxError: '(' was never closed"),
        ("some words\nlast words\n\n", "last words"),
        ("", ""),
        ("[emulator] only the emulator spoke\n", ""),
        ("Traceback (most recent call last):\n", "Traceback (most recent call last):"),
    ],
)
def test_last_words(tmp_path, text, words):
    log = tmp_path / "log.txt"
    log.write_text(text, encoding="utf-8")
    assert last_words(log) == words


def test_a_long_log_is_searched_from_its_end(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("x" * 200_000 + "\n" + TRACEBACK, encoding="utf-8")
    assert last_words(log) == "ValueError: second"


def test_no_log_has_no_words(tmp_path):
    assert last_words(tmp_path / "none.txt") == ""


def test_a_note_begins_with_the_emulators_mark(tmp_path):
    note(tmp_path, "hello")
    assert (tmp_path / LOG).read_text(encoding="utf-8") == "[emulator] hello\n"
