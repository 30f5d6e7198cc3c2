"""Any words at all, typed by somebody who is logged in: only this package's errors come out, each of one line."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azml_magics.errors import AzmlError
from azml_magics.subcommands import SUBCOMMANDS
from tests.conftest import World

#: What would end the emulator, start programs, wait for people or for ever: not for random words.
LEFT_OUT = {"emulator", "login", "submit", "service"}
PHRASES = sorted(" ".join(words) for words in SUBCOMMANDS if words[0] not in LEFT_OUT)
OPTIONS = sorted(
    {a.name for s in SUBCOMMANDS.values() for a in s.arguments if a.is_option} | {"--curl", "--json", "-o"}
)
ODD = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)
VALUES = st.one_of(
    ODD, st.sampled_from(["1", "-1", "0", "a=b", "[1]", "{}", "..", "a/../b", "99999999999d", "%2e%2e", "\x00"])
)


@pytest.mark.timeout(120)
def test_random_lines_raise_only_our_errors(in_process: World, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a download goes here, whatever it is called

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(PHRASES), st.lists(st.one_of(VALUES, st.sampled_from(OPTIONS)), max_size=4), st.none() | ODD)
    def typed(phrase, words, cell):
        line = " ".join([phrase, *("'" + w.replace("'", "") + "'" for w in words)])
        try:
            in_process.azml(line.replace("{", "{{").replace("}", "}}").replace("$", "$$"), cell=cell)
        except AzmlError as error:
            (shown,) = error._render_traceback_()
            assert "\n" not in shown

    typed()
