"""rest/ignoring.py: `.amlignore` means what the same lines mean in `.gitignore`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azml_magics.rest.ignoring import ALWAYS, IgnoreRules


@pytest.mark.parametrize(
    ("lines", "path", "folder", "left_out"),
    [
        (["*.csv"], "data.csv", False, True),
        (["*.csv"], "deep/er/data.csv", False, True),
        (["*.csv"], "data.csv.py", False, False),
        (["data"], "data", True, True),
        (["data"], "src/data", False, True),
        (["data/"], "data", True, True),
        (["data/"], "data", False, False),
        (["/data"], "data", True, True),
        (["/data"], "src/data", True, False),
        (["src/data"], "src/data", True, True),
        (["src/data"], "x/src/data", True, False),
        (["src/*.py"], "src/a.py", False, True),
        (["src/*.py"], "src/deep/a.py", False, False),
        (["**/logs"], "logs", True, True),
        (["**/logs"], "a/b/logs", True, True),
        (["a/**/b"], "a/b", False, True),
        (["a/**/b"], "a/x/y/b", False, True),
        (["a/**"], "a/x/y", False, True),
        (["a/**"], "a", True, False),
        (["**"], "a/b", False, True),
        (["x?.t[xy]t"], "x1.txt", False, True),
        (["x[!0-9]"], "x1", False, False),
        (["x[!0-9]"], "xa", False, True),
        (["x[/]y"], "x/y", False, False),
        (["*", "!keep.py"], "keep.py", False, False),
        (["!keep.py", "*"], "keep.py", False, True),
        (["# data", ""], "# data", False, False),
        ([r"\#x"], "#x", False, True),
        ([r"\!x"], "!x", False, True),
        ([r"a\*"], "a*", False, True),
        ([r"a\*"], "ab", False, False),
        (["data   "], "data", False, True),
        (["data\r\n"], "data", False, True),
        (["[z-a]"], "z", False, False),
        (["[ab"], "[ab", False, True),
        ([], "train.py", False, False),
    ],
)
def test_lines_mean_what_they_mean_to_git(lines, path, folder, left_out):
    assert IgnoreRules(lines).leaves_out(path, folder) is left_out


@pytest.mark.parametrize("name", sorted(ALWAYS))
def test_history_and_caches_never_go_along(name):
    assert IgnoreRules([f"!{name}"]).leaves_out(f"src/{name}", folder=True)


@given(st.lists(st.text()), st.text(), st.booleans())
def test_no_line_is_an_error(lines, path, folder):
    assert IgnoreRules(lines).leaves_out(path, folder) in (True, False)
