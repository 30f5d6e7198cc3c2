import json
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from azml_magics.emulator.store import AllOf, AnyOf, Exists, Store, StoreError, Where

STATUSES = ("Completed", "Completed", "Completed", "Failed", "Canceled")


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / "state.db")) as store:
        yield store


def a_run(number, **more):
    start = f"2024-03-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.0000000+00:00"
    padding = {f"property-{n}": "x" * 60 for n in range(15)}
    known = {"runId": f"run-{number}", "status": STATUSES[number % 5], "startTimeUtc": start, "properties": padding}
    return known | more


def test_a_document_comes_back_as_it_was_filed(store):
    body = {"name": "d\u00e9j\u00e0 \U0001f600", "nested": {"a.b": [1, 2.5, None, True]}, "empty": ""}
    store.add("thing", "k", body, "s")
    assert store.get("thing", "k") == body
    assert store.get("thing", "other") is None
    assert store.get("other", "k") is None


def test_what_is_returned_is_a_copy(store):
    store.add("thing", "k", {"n": 1})
    store.get("thing", "k")["n"] = 2
    assert store.get("thing", "k") == {"n": 1}


def test_adding_twice_is_refused_and_leaves_the_first(store):
    store.add("thing", "k", {"n": 1})
    with pytest.raises(Exists, match="thing 'k' exists"):
        store.add("thing", "k", {"n": 2})
    assert store.get("thing", "k") == {"n": 1}
    store.add("other", "k", {"n": 3})


def test_putting_tells_what_is_new_and_keeps_place_and_scope_of_what_is_old(store):
    assert store.put("thing", "a", {"n": 1}, "one") is True
    assert store.put("thing", "b", {"n": 2}, "one") is True
    assert store.put("thing", "a", {"n": 3}, "two") is False
    assert store.page("thing", "one") == ([{"n": 3}, {"n": 2}], False)
    assert store.page("thing", "two") == ([], False)


def test_a_change_returns_the_new_body_and_none_when_there_is_nothing(store):
    store.add("thing", "k", {"n": 1})
    assert store.change("thing", "k", lambda body: body.update(n=2)) == {"n": 2}
    assert store.get("thing", "k") == {"n": 2}
    assert store.change("thing", "missing", lambda body: body.update(n=2)) is None


def test_what_an_edit_raises_undoes_the_change_and_its_other_writes(store):
    store.add("thing", "k", {"n": 1})

    def edit(body):
        body["n"] = 2
        store.add("thing", "other", {})
        assert store.get("thing", "other") == {}
        raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        store.change("thing", "k", edit)
    assert store.get("thing", "k") == {"n": 1}
    assert store.get("thing", "other") is None
    assert store.put("thing", "after", {}) is True


def test_nan_is_no_document_but_may_be_a_row(store):
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.put("thing", "k", {"loss": float("nan")})
    store.append("metrics", [{"loss": float("nan")}])
    assert store.rows("metrics")[0][1]["loss"] != store.rows("metrics")[0][1]["loss"]


def test_deleting_tells_whether_there_was_something(store):
    store.add("thing", "k", {})
    assert store.delete("thing", "k") is True
    assert store.delete("thing", "k") is False


def test_a_scope_is_deleted_with_all_its_kinds_and_nothing_else(store):
    for scope in ("one", "two"):
        store.add("run", f"{scope}/a", {}, scope)
        store.add("model", f"{scope}/a", {}, scope)
    store.add("group", "g", {})
    assert store.delete_scope("one") == 2
    assert store.count("run") == store.count("model") == store.count("group") == 1
    with pytest.raises(ValueError, match="empty scope"):
        store.delete_scope("")


def test_pages_follow_each_other_and_the_last_says_so(store):
    for number in range(7):
        store.add("thing", f"k{number}", {"n": number}, "s")
    assert store.page("thing", "s", size=3) == ([{"n": 0}, {"n": 1}, {"n": 2}], True)
    assert store.page("thing", "s", skip=3, size=4) == ([{"n": 3}, {"n": 4}, {"n": 5}, {"n": 6}], False)
    assert store.page("thing", "s", skip=7) == ([], False)


def test_no_scope_means_every_scope(store):
    store.add("thing", "a", {"n": 1}, "one")
    store.add("thing", "b", {"n": 2}, "two")
    assert store.page("thing")[0] == [{"n": 1}, {"n": 2}]
    assert (store.count("thing"), store.count("thing", "two")) == (2, 1)


@pytest.mark.parametrize("kind", ["run", "thing"])
def test_order_goes_by_paths_then_creation_with_nulls_last_going_down(store, kind):
    starts = ["b", None, "c", "b", "a"]
    for number, start in enumerate(starts):
        store.add(kind, str(number), {"n": number, "startTimeUtc": start}, "s")

    def numbers(*order):
        return [body["n"] for body in store.page(kind, "s", order=order)[0]]

    assert numbers((("startTimeUtc",), True)) == [2, 3, 0, 4, 1]
    assert numbers((("startTimeUtc",), False)) == [1, 4, 0, 3, 2]
    assert numbers(((), True)) == [4, 3, 2, 1, 0]
    assert numbers((("startTimeUtc",), True), ((), False)) == [2, 0, 3, 4, 1]


def test_rows_keep_their_order_and_go_on_after_a_number(store):
    store.append("m/1", [{"v": 1}, {"v": 2}])
    store.append("m/2", [{"v": 9}])
    store.append("m/1", ({"v": v} for v in (3, 4)))
    store.append("m/1", [])
    rows = store.rows("m/1")
    assert [row["v"] for _, row in rows] == [1, 2, 3, 4]
    assert [n for n, _ in rows] == sorted({n for n, _ in rows})
    assert [row["v"] for _, row in store.rows("m/1", after=rows[1][0], size=1)] == [3]
    assert store.rows("m/3") == []


def test_streams_are_found_and_dropped_by_prefix(store):
    for name in ("m/run_1/loss", "m/run_1/acc", "m/run_10/loss", "m/runX1/loss", "journal"):
        store.append(name, [{"v": name}])
    assert store.streams("m/run_1/") == ["m/run_1/acc", "m/run_1/loss"]
    last = store.rows("journal")[-1][0]
    store.drop("m/run_1/")
    assert store.streams("") == ["journal", "m/runX1/loss", "m/run_10/loss"]
    assert store.rows("m/run_1/loss") == []
    store.append("m/run_1/loss", [{"v": "again"}])
    assert store.rows("m/run_1/loss")[0][0] > last


def test_a_number_never_comes_twice(store):
    assert [store.next_number("model", "s", "iris") for _ in range(3)] == [1, 2, 3]
    store.delete_scope("s")
    assert store.next_number("model", "s", "iris") == 4
    assert store.next_number("model", "s", "other") == store.next_number("model", "t", "iris") == 1


def test_everything_is_there_after_opening_again(tmp_path):
    path = tmp_path / "data" / "state.db"
    with closing(Store(path)) as store:
        store.add("thing", "k", {"n": 1}, "s")
        store.append("journal", [{"a": 1}])
        store.next_number("model", "s", "m")
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(Store(path)) as store:
        assert store.page("thing", "s") == ([{"n": 1}], False)
        assert [row for _, row in store.rows("journal")] == [{"a": 1}]
        assert store.next_number("model", "s", "m") == 2


def test_a_closed_store_says_so(tmp_path):
    store = Store(tmp_path / "state.db")
    store.close()
    store.close()
    for use in (lambda: store.get("thing", "k"), lambda: store.put("thing", "k", {})):
        with pytest.raises(StoreError, match="closed"):
            use()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state.db"]


def made_newer(path):
    Store(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma user_version = 2")


def made_foreign(path):
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table photos (name)")


def made_of_text(path):
    path.write_text("These are the notes of last week.\n" * 40, encoding="utf-8")


def made_damaged(path):
    with closing(Store(path)) as store:
        for number in range(300):
            store.add("run", f"r{number}", a_run(number))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 20_000] = os.urandom(20_000)
    path.write_bytes(content)


def made_short(path):
    with closing(Store(path)) as store:
        for number in range(100):
            store.add("run", f"r{number}", a_run(number))
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (made_newer, "newer version"),
        (made_foreign, "something else"),
        (made_of_text, "not a database"),
        (made_damaged, "damaged|malformed"),
        (made_short, "damaged|malformed"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_and_left_as_it_is(tmp_path, make, reason):
    path = tmp_path / "state.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=reason):
        Store(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.db"]


def test_an_empty_file_becomes_a_store(tmp_path):
    path = tmp_path / "state.db"
    path.touch()
    with closing(Store(path)) as store:
        store.add("thing", "k", {})


WRITER = """
import sys
from pathlib import Path
from azml_magics.emulator.store import Store
store = Store(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    store.add("run", str(number), {"n": number, "status": "Running"})
    store.change("run", str(number), lambda body: body.update(status="Completed"))
    store.append("rows", [{"n": number}])
    print(number, flush=True)
"""


def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path):
    path = tmp_path / "state.db"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    with process:
        for line in process.stdout:
            if int(line) >= 200:
                break
        process.kill()
        acknowledged = max(int(line) for line in ["200", *process.stdout.read().split("\n")[:-1]])
    with closing(Store(path)) as store:
        found, _ = store.page("run", where=[Where(("status",), "eq", "Completed")], size=10**6)
        assert [body["n"] for body in found[:acknowledged]] == list(range(1, acknowledged + 1))
        assert [row["n"] for _, row in store.rows("rows", size=10**6)][:acknowledged] == list(
            range(1, acknowledged + 1)
        )


def test_threads_lose_no_change_and_read_meanwhile(store):
    store.add("thing", "k", {"n": 0})

    def work(name):
        for number in range(50):
            store.change("thing", "k", lambda body: body.update(n=body["n"] + 1))
            store.add("run", f"{name}/{number}", a_run(number), "s")
            store.append("rows", [{"name": name, "n": number}])
            store.next_number("model", "s", "m")
            items, _ = store.page("run", "s", where=[Where(("status",), "eq", "Failed")], size=5)
            assert all(item["status"] == "Failed" for item in items)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert store.get("thing", "k") == {"n": 400}
    assert store.count("run", "s") == 400
    assert len(store.rows("rows")) == 400
    assert store.next_number("model", "s", "m") == 401


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A store of 10,000 runs, of which four are active."""
    path = tmp_path_factory.mktemp("full") / "state.db"
    Store(path).close()
    rows = []
    for number in range(10_000):
        body = a_run(number, experimentId=f"e{number % 10}", parentRunId=None if number % 50 == 0 else "run-0")
        if number % 2500 == 7:
            body["status"] = "Running"
        rows.append(("run", f"w/run-{number}", "w", json.dumps(body)))
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("insert into documents (kind, key, scope, body) values (?, ?, ?, ?)", rows)
    with closing(Store(path)) as store:
        yield store


def status(value):
    return Where(("status",), "eq", value)


NEWEST = ((("startTimeUtc",), True),)
ACTIVE = AnyOf([status("Running"), status("Queued")])


@pytest.mark.parametrize(
    ("where", "order", "expected"),
    [
        ([status("Failed")], (), 100),
        ([status("Failed")], NEWEST, 100),
        ([status("Running")], (), 4),
        ([status("Running")], NEWEST, 4),
        ([ACTIVE], (), 4),
        ([ACTIVE], NEWEST, 4),
        ([AllOf([status("Completed")])], NEWEST, 100),
        ([Where(("experimentId",), "eq", "e0"), Where(("parentRunId",), "eq", None)], NEWEST, 100),
    ],
)
def test_a_page_of_runs_by_status_takes_under_20_ms_among_10000(full, where, order, expected):
    times = []
    for _ in range(7):
        start = time.perf_counter()
        items, _ = full.page("run", "w", where=where, order=order)
        times.append(time.perf_counter() - start)
    assert len(items) == expected
    assert min(times) < 0.020
