import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azml_magics.emulator.conditions import FILTERED, ORDERED, AllOf, AnyOf, Where, begins, order_of, source_of
from azml_magics.emulator.store import Store


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / "state.db")) as store:
        yield store


BODIES = [
    {"n": 1, "status": "Running", "tags": {"a.b": "x", 'say "hi"': "y", "": "nameless", "\u00e9t\u00e9": "z"}},
    {"n": 2, "status": "Run", "tags": {"a": {"b": "nested"}}, "big": 2**80, "flag": True},
    {"n": 3, "status": None, "tags": None, "flag": False},
    {"n": 4, "tags": "text", "back\\slash": 1},
    {"n": 5, "status": "", "tags": [1], "size": 10.5},
]


@pytest.mark.parametrize("kind", ["run", "thing"])
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Where(("status",), "eq", "Running"), [1]),
        (Where(("status",), "eq", None), [3, 4]),
        (Where(("status",), "ne", None), [1, 2, 5]),
        (Where(("status",), "ne", "Running"), [2, 3, 4, 5]),
        (Where(("status",), "prefix", "Run"), [1, 2]),
        (Where(("status",), "prefix", ""), [1, 2, 5]),
        (Where(("status",), "prefix", "run"), []),
        (Where(("status",), "gt", "Run"), [1]),
        (Where(("status",), "le", "Run"), [2, 5]),
        (Where(("n",), "ge", 3), [3, 4, 5]),
        (Where(("n",), "lt", 2.5), [1, 2]),
        (Where(("n",), "lt", None), []),
        (Where(("flag",), "eq", value=True), [2]),
        (Where(("flag",), "eq", value=False), [3]),
        (Where(("big",), "eq", 2**80), [2]),
        (Where(("big",), "gt", 2**79), [2]),
        (Where(("tags", "a.b"), "eq", "x"), [1]),
        (Where(("tags", "a", "b"), "eq", "nested"), [2]),
        (Where(("tags", 'say "hi"'), "eq", "y"), [1]),
        (Where(("tags", ""), "eq", "nameless"), [1]),
        (Where(("tags", "\u00e9t\u00e9"), "eq", "z"), [1]),
        (Where(("back\\slash",), "eq", 1), [4]),
        (Where(("tags", "') or 1=1 --"), "ne", None), []),
        (AnyOf([]), []),
        (AllOf([]), [1, 2, 3, 4, 5]),
        (AnyOf([Where(("status",), "eq", "Run"), Where(("status",), "eq", "Running")]), [1, 2]),
        (AnyOf([Where(("status",), "eq", "Run"), Where(("status",), "eq", None)]), [2, 3, 4]),
        (AnyOf([Where(("n",), "eq", 1), Where(("size",), "eq", 10.5)]), [1, 5]),
        (AllOf([Where(("n",), "gt", 1), AnyOf([Where(("n",), "lt", 3), Where(("size",), "ne", None)])]), [2, 5]),
    ],
)
def test_a_condition_lets_through_what_it_says(store, kind, condition, expected):
    for body in BODIES:
        store.add(kind, str(body["n"]), body, "s")
    assert [body["n"] for body in store.page(kind, "s", where=[condition])[0]] == expected
    assert store.count(kind, "s", [condition]) == len(expected)


@pytest.mark.parametrize("condition", [Where(("a",), "like", "x"), Where(("a",), "prefix", 3)])
def test_a_comparison_that_does_not_exist_is_refused(condition):
    with pytest.raises(ValueError, match="no such comparison"):
        source_of("thing", "", [condition])


keys = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=keys, inner=keys, value=texts)
def test_any_key_can_be_part_of_a_path(store, key, inner, value):
    store.put("thing", "k", {"root": {key: {inner: value}}})
    for path, kind in ((("root", key, inner), "thing"), (("root", key, inner), "run")):
        store.put(kind, "k", {"root": {key: {inner: value}}})
        assert store.count(kind, "", [Where(path, "eq", value)]) == 1
        assert store.count(kind, "", [Where((*path, "more"), "ne", None)]) == 0


@settings(max_examples=60, deadline=None)
@given(prefix=texts, text=st.one_of(texts, st.just("\U0010ffff"), st.just("\ud7ff".encode().decode())), more=texts)
def test_the_range_of_a_prefix_holds_what_begins_so_and_nothing_else(prefix, text, more):
    with closing(sqlite3.connect(":memory:")) as database:
        for candidate in (text, prefix + more, prefix + text):
            condition, values = begins("?", [candidate], prefix)
            found = database.execute(f"select {condition}", values).fetchone()[0]
            assert bool(found) == candidate.startswith(prefix)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("plans") / "state.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as database:
        yield database


def plan(database, kind, scope, conditions, order):
    source, values = source_of(kind, scope, conditions)
    terms, more = order_of(kind, order, conditions)
    sql = f"explain query plan select seq from {source} order by {terms} limit ? offset ?"
    return " / ".join(row[3] for row in database.execute(sql, [*values, *more, 101, 0]))


NEWEST = ((("startTimeUtc",), True),)


@pytest.mark.parametrize("scope", ["w", ""])
@pytest.mark.parametrize("order", [(), NEWEST])
@pytest.mark.parametrize("name", FILTERED["run"])
def test_a_filter_on_runs_is_answered_by_its_index(database, name, scope, order):
    for condition in (Where((name,), "eq", "x"), AnyOf([Where((name,), "eq", "x"), Where((name,), "eq", "y")])):
        steps = plan(database, "run", scope, [condition], order).replace("run_top", "run_experimentId")
        assert f"SEARCH documents USING INDEX run_{name} (<expr>=?" in steps


@pytest.mark.parametrize("order", [(), NEWEST])
def test_brackets_change_no_plan(database, order):
    where = Where(("status",), "eq", "x")
    either = AnyOf([where, Where(("status",), "eq", "y")])
    for plain, bracketed in (
        ([where], [AllOf([AnyOf([AllOf([where])])])]),
        ([where, either], [AllOf([where, AllOf([either])])]),
        ([either], [AllOf([AnyOf([either])])]),
    ):
        assert plan(database, "run", "w", bracketed, order) == plan(database, "run", "w", plain, order)


@pytest.mark.parametrize("name", FILTERED["run"])
def test_a_filtered_list_of_runs_needs_no_sorting_in_its_usual_order(database, name):
    assert "TEMP B-TREE" not in plan(database, "run", "w", [Where((name,), "eq", "x")], NEWEST)


@pytest.mark.parametrize("name", ORDERED)
@pytest.mark.parametrize("descending", [True, False])
def test_the_orders_of_runs_need_no_sorting(database, name, descending):
    steps = plan(database, "run", "w", [], (((name,), descending),))
    assert steps == f"SEARCH documents USING INDEX run_{name} (scope=?)"


def test_the_runs_of_an_experiment_that_have_no_parent_have_an_index(database):
    where = [Where(("experimentId",), "eq", "e"), Where(("parentRunId",), "eq", None)]
    assert "USING INDEX run_top (<expr>=? AND <expr>=? AND scope=?)" in plan(database, "run", "w", where, NEWEST)


def test_the_artifacts_of_a_run_have_an_index(database):
    where = [Where(("origin",), "eq", "ExperimentRun"), Where(("container",), "eq", "dcid.r")]
    assert "USING INDEX artifact_container (<expr>=? AND scope=?)" in plan(database, "artifact", "w", where, ())


def test_other_kinds_are_walked_in_order_of_creation(database):
    steps = plan(database, "thing", "w", [Where(("name",), "eq", "x")], ())
    assert steps == "SEARCH documents USING INDEX documents_scope (kind=? AND scope=?)"


def test_no_value_becomes_part_of_the_text():
    hostile = "x' or 1=1 --"
    text, values = source_of("thing", hostile, [Where((hostile,), "eq", hostile)])
    assert hostile not in text
    assert values[:2] == ["thing", hostile]
    assert hostile in json.dumps(values[2:])
