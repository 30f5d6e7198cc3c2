"""The grammar of a line: splitting, expanding, finding, parsing, explaining."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azml_magics.errors import AzmlError, UsageError
from azml_magics.line import expand, find, help_of, overview, parse, phrases, run, split
from azml_magics.subcommands import CELLS, SUBCOMMANDS
from azml_magics.subcommands.schema import Text
from azml_magics.subcommands.state import State


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("runs --top 3", ["runs", "--top", "3"]),
        ('runs --experiment "my exp"', ["runs", "--experiment", "my exp"]),
        ("runs --experiment='my exp'", ["runs", "--experiment=my exp"]),
        (r"runs --experiment my\ exp", ["runs", "--experiment", "my exp"]),
        ("runs ''", ["runs", ""]),
        ("runs;", ["runs"]),
        ("runs --top 3 ;  ", ["runs", "--top", "3"]),
        ("runs --top 3 # the newest", ["runs", "--top", "3"]),
        ("runs; # hushed", ["runs"]),
        ("rest GET a#b", ["rest", "GET", "a#b"]),
        ("rest GET 'a;b';", ["rest", "GET", "a;b"]),
        (r"score --data '[\"a\"]'", ["score", "--data", r"[\"a\"]"]),
        (r'score --data "{\"a\": 1}"', ["score", "--data", '{"a": 1}']),
        ('run show "C:\\data"', ["run", "show", "C:\\data"]),
        ("runs \\\n --top 3", ["runs", "--top", "3"]),
    ],
)
def test_a_line_is_split_as_a_posix_shell_does(text, words):
    assert split(text) == words


def test_a_line_may_hold_several_phrases_and_the_last_one_answers():
    assert phrases("login --local; %azml runs;") == ["login --local", " runs;"]
    assert phrases("""score x --data '; %azml runs'""") == ["""score x --data '; %azml runs'"""]
    state = State()
    shown = run("config poll_seconds 3; %azml config poll_seconds", state=state)
    assert shown.value.tolist() == ["3"]


@pytest.mark.parametrize("text", ["runs --experiment it's", 'runs "open', "runs 'a;"])
def test_an_open_quote_is_one_clear_line(text):
    with pytest.raises(UsageError, match="opened and not closed"):
        split(text)


def test_a_variable_is_put_in_after_splitting_so_it_cannot_become_an_option():
    names = {"name": "x --delete", "n": 3, "rows": [[1, 2]], "obj": {"a": 1}}
    assert expand(["--experiment", "{name}", "--top=$n"], names) == ["--experiment", "x --delete", "--top=3"]
    assert expand(["{rows}", "{obj}"], names) == ["[[1, 2]]", '{"a": 1}']


def test_braces_and_dollars_can_be_meant_literally():
    assert expand(["{{x}}", "$$top=5", '{"num": 17}', "100%"], {}) == ["{x}", "$top=5", '{"num": 17}', "100%"]


@pytest.mark.parametrize("word", ["{run.run_id[0]}", "{f()}", "{rows[0]}"])
def test_more_than_a_name_is_refused_with_what_to_do(word):
    with pytest.raises(UsageError, match="only names are put in") as caught:
        expand([word], {})
    assert "then {x}" in caught.value.hint


@pytest.mark.parametrize("word", ["{nope}", "$nope"])
def test_an_undefined_variable_is_an_error(word):
    with pytest.raises(UsageError, match="no variable 'nope' is defined"):
        expand([word], {})


def test_a_frame_of_one_row_stands_for_its_id():
    import pandas as pd

    frame = pd.DataFrame({"run_id": ["r_1", "r_2"], "status": ["Running", "Failed"]})
    assert expand(["{run}"], {"run": frame.iloc[:1]}) == ["r_1"]
    with pytest.raises(UsageError, match="run has 2 rows"):
        expand(["{run}"], {"run": frame})
    assert expand(["{rows}"], {"rows": pd.DataFrame({"a": [5, 7], "b": [6, 8]})}) == ["[[5,6],[7,8]]"]


@given(st.text(), st.text())
def test_expansion_never_makes_another_word(name, value):
    assert len(expand(["--experiment", "{v}", name.replace("{", "").replace("$", "")], {"v": value})) == 3


@given(st.text())
def test_any_text_as_a_line_raises_only_our_errors(text):
    with contextlib.suppress(AzmlError):
        run(f"azml-{text}", state=State())


@pytest.mark.parametrize(
    ("words", "phrase"), [(["runs"], "run list"), (["run", "list"], "run list"), (["computes"], "compute list")]
)
def test_a_plural_noun_alone_lists(words, phrase):
    assert find(words)[0].phrase == phrase


def test_the_option_behind_a_plural_stays_an_option():
    subcommand, values = parse(["runs", "--top", "5", "--status", "Failed", "--status", "Canceled", "--tag", "a=b=c"])
    assert subcommand.phrase == "run list"
    assert (values["top"], values["status"], values["tag"]) == (5, ["Failed", "Canceled"], {"a": "b=c"})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rnus", "did you mean runs"),
        ("run shwo x", "did you mean show"),
        ("run", "It knows: "),
        ("runs --expriment x", "did you mean --experiment"),
        ("runs --exp x", "unknown option --exp"),
        ("runs --top x", "'x' is no whole number of at least 1"),
        ("runs --top=-1", "'-1' is no whole number of at least 1"),
        ("runs --status Compleet", "invalid choice: 'Compleet'"),
        ("submit train.py --arg --x", "a value that begins with a dash"),
        ("config nope", "nope"),
        ("run watch x --interval 0", "no number of seconds above 0"),
        ("run wait x --timeout nan", "no number of seconds above 0"),
        ("runs --top 1 --top 2", "--top stands twice"),
        ("runs --tag novalue", "takes KEY=VALUE"),
        ("run show", "required: run"),
        ("compute create c --type Toaster", "invalid choice: 'Toaster'"),
        ("datastore show a b", "'b' is one word too many"),
        ("runs -o 1x", "no name for a variable"),
        ("login --client-secret x", "a secret is never taken from the line"),
        ("login --local --azure-cli", "choose one way"),
    ],
)
def test_a_wrong_line_is_one_clear_line_with_the_next_thing_to_type(line, said):
    with pytest.raises(UsageError) as caught:
        run(line, state=State())
    (shown,) = caught.value._render_traceback_()
    assert said in shown
    assert "\n" not in shown


def test_every_word_but_those_without_a_service_asks_for_a_login():
    with pytest.raises(AzmlError) as caught:
        run("whoami", state=State())
    assert "%azml login --local" in str(caught.value)


@pytest.mark.parametrize("phrase", sorted(SUBCOMMANDS), ids=" ".join)
def test_every_phrase_has_help_with_an_example(phrase):
    shown = run([*phrase, "--help"])
    subcommand = SUBCOMMANDS[phrase]
    assert subcommand.summary in shown
    assert "--curl" in shown
    assert subcommand.example.startswith("%azml") and subcommand.example in shown


@pytest.mark.parametrize("word", sorted(CELLS))
def test_every_cell_magic_explains_its_cell(word):
    shown = help_of([word], cell=True)
    assert CELLS[word].cell in shown and f"%%azml_{word}" in shown


def test_help_of_a_noun_lists_its_verbs_and_help_of_nothing_lists_all():
    assert "run cancel" in help_of(["run"])
    assert all(s.phrase in overview() for s in SUBCOMMANDS.values())
    assert run("", state=State()) == overview() == run("help", state=State())


def test_text_shows_itself_as_it_is():
    assert repr(Text("a\nb")) == "a\nb"
