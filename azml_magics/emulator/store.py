"""What the emulator remembers: JSON documents, append-only rows and counters in one SQLite file.

Knows SQL; knows nothing of HTTP, Azure or runs being executed. What a call has acknowledged survives the sudden
death of the process. A file that it cannot trust (newer, not its own, damaged) is refused and left as it is.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .conditions import AllOf, AnyOf, Condition, Order, Where, begins, dig, index_statements, order_of, source_of

__all__ = ["AllOf", "AnyOf", "Condition", "Exists", "Order", "Store", "StoreError", "Where"]

Document = dict[str, Any]

VERSION = 1
#: "azml": tells this database from any other SQLite file.
APPLICATION = 0x617A6D6C
MAGIC = b"SQLite format 3\0"

SCHEMA = (
    """create table documents (seq integer primary key, kind text not null, key text not null, scope text not null,
       body text not null, unique (kind, key))""",
    "create index documents_scope on documents (kind, scope, seq)",
    "create table streams (id integer primary key, name text not null unique)",
    """create table rows (stream integer not null, n integer not null, body text not null,
       primary key (stream, n)) without rowid""",
    """create table numbers (kind text not null, scope text not null, name text not null, value integer not null,
       primary key (kind, scope, name)) without rowid""",
    *index_statements(),
    f"pragma application_id = {APPLICATION}",
    f"pragma user_version = {VERSION}",
)


class StoreError(Exception):
    """The file cannot be used, or SQLite gave up on it."""


class Unkept(ValueError):
    """A document that JSON cannot hold: a number that is none, half a character, nesting without end."""


class Exists(Exception):
    """A document of that kind and key is there already."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"{kind} {key!r} exists already")
        self.kind = kind
        self.key = key


class Store:
    """The documents, rows and counters of one data directory; every method may be called from any thread.

    Writes go one at a time through one connection; reads take a connection of their own from a pool, so that a
    long list holds nobody up. An empty `scope` in `page` and `count` means every scope.
    """

    def __init__(self, path: Path) -> None:
        _refuse_untrusted(path)
        self._path = path
        self._lock = threading.RLock()
        self._writer_thread = 0
        self._pool_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with _translated():
            self._writer = self._connect()
            self._writer.execute("pragma journal_mode = wal")
            with self._write() as database:
                if database.execute("pragma user_version").fetchone()[0] == 0:
                    for statement in SCHEMA:
                        database.execute(statement)

    def get(self, kind: str, key: str) -> Document | None:
        """The document's body, or None."""
        with self._read() as database:
            return _body(database, kind, key)

    def add(self, kind: str, key: str, body: Document, scope: str = "") -> None:
        """File a new document; one that is there already raises `Exists`."""
        sql = "insert into documents (kind, key, scope, body) values (?, ?, ?, ?) on conflict do nothing"
        with self._write() as database:
            if database.execute(sql, (kind, key, scope, _text(body))).rowcount == 0:
                raise Exists(kind, key)

    def put(self, kind: str, key: str, body: Document, scope: str = "") -> bool:
        """File a document, new or not. True when it is new; an old one keeps its scope and its place in the order."""
        text = _text(body)
        with self._write() as database:
            sql = "update documents set body = ? where kind = ? and key = ?"
            if database.execute(sql, (text, kind, key)).rowcount:
                return False
            sql = "insert into documents (kind, key, scope, body) values (?, ?, ?, ?)"
            database.execute(sql, (kind, key, scope, text))
            return True

    def change(self, kind: str, key: str, edit: Callable[[Document], object]) -> Document | None:
        """Edit a document in place, with no other write in between; the new body, or None when it is missing.

        What `edit` raises undoes everything. It may use the store: its writes belong to the same transaction.
        """
        with self._write() as database:
            body = _body(database, kind, key)
            if body is not None:
                edit(body)
                sql = "update documents set body = ? where kind = ? and key = ?"
                database.execute(sql, (_text(body), kind, key))
            return body

    def delete(self, kind: str, key: str) -> bool:
        """Remove a document; True when it was there."""
        with self._write() as database:
            return database.execute("delete from documents where kind = ? and key = ?", (kind, key)).rowcount > 0

    def delete_scope(self, scope: str) -> int:
        """Remove every document of a scope and tell how many there were. The empty scope is refused."""
        if not scope:
            raise ValueError("the empty scope holds what belongs to no scope: it is not deleted at once")
        with self._write() as database:
            return database.execute("delete from documents where scope = ?", (scope,)).rowcount

    def page(
        self,
        kind: str,
        scope: str = "",
        *,
        where: Iterable[Condition] = (),
        order: Iterable[Order] = (),
        skip: int = 0,
        size: int = 100,
    ) -> tuple[list[Document], bool]:
        """A page of documents and whether there are more; oldest first, or by paths (the path `()` is creation).

        Nulls come first going up and last going down; equals stay in the order of creation, in the last direction.
        """
        conditions = list(where)
        source, source_values = source_of(kind, scope, conditions)
        terms, order_values = order_of(kind, list(order), conditions)
        sql = f"select seq from {source} order by {terms} limit ? offset ?"  # noqa: S608 - made of constants
        with self._read() as database, _snapshot(database):
            found = [row[0] for row in database.execute(sql, [*source_values, *order_values, size + 1, skip])]
            wanted = json.dumps(found[:size])
            sql = "select seq, body from documents where seq in (select value from json_each(?))"
            bodies = dict(database.execute(sql, (wanted,)))
        return [json.loads(bodies[seq]) for seq in found[:size]], len(found) > size

    def count(self, kind: str, scope: str = "", where: Iterable[Condition] = ()) -> int:
        """How many documents there are, of those that `where` lets through."""
        source, values = source_of(kind, scope, list(where))
        with self._read() as database:
            return int(database.execute(f"select count(*) from {source}", values).fetchone()[0])  # noqa: S608

    def append(self, stream: str, rows: Iterable[Document]) -> None:
        """Add rows to a stream. Their numbers go up over all streams and are never given twice."""
        texts = [json.dumps(row, ensure_ascii=False) for row in rows]
        if not texts:
            return
        with self._write() as database:
            last = _take(database, "rows", "", "", len(texts))
            database.execute("insert into streams (name) values (?) on conflict do nothing", (stream,))
            number = database.execute("select id from streams where name = ?", (stream,)).fetchone()[0]
            first = last - len(texts) + 1
            entries = [(number, n, text) for n, text in enumerate(texts, first)]
            database.executemany("insert into rows (stream, n, body) values (?, ?, ?)", entries)

    def rows(self, stream: str, after: int = 0, size: int = 1000) -> list[tuple[int, Document]]:
        """The rows of a stream that come after a number, with their numbers."""
        sql = (
            "select n, body from rows where stream = (select id from streams where name = ?) and n > ? "
            "order by n limit ?"
        )
        with self._read() as database:
            found = database.execute(sql, (stream, after, size)).fetchall()
        return [(n, json.loads(text)) for n, text in found]

    def streams(self, prefix: str) -> list[str]:
        """The names of the streams that begin so, sorted."""
        condition, values = begins("name", [], prefix)
        with self._read() as database:
            sql = f"select name from streams where {condition} order by name"  # noqa: S608
            return [row[0] for row in database.execute(sql, values)]

    def drop(self, prefix: str) -> None:
        """Remove the streams that begin so, with their rows."""
        condition, values = begins("name", [], prefix)
        with self._write() as database:
            sql = f"delete from rows where stream in (select id from streams where {condition})"  # noqa: S608
            database.execute(sql, values)
            database.execute(f"delete from streams where {condition}", values)  # noqa: S608

    def next_number(self, kind: str, scope: str, name: str) -> int:
        """The next number of a counter, from 1. None comes twice, whatever is deleted."""
        with self._write() as database:
            return _take(database, f"number/{kind}", scope, name, 1)

    def close(self) -> None:
        """Close every connection that is not in use; the others close as they come back."""
        with self._lock, self._pool_lock:
            self._closed = True
            for connection in (*self._idle, self._writer):
                connection.close()
            self._idle.clear()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        connection.execute("pragma synchronous = normal")
        connection.create_function("dig", 2, dig, deterministic=True)
        return connection

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """The writing connection, inside a transaction; a write inside a write joins it."""
        with self._lock:
            if self._writer_thread:  # the lock is ours, so this is a write inside `change`
                yield self._writer
                return
            if self._closed:
                raise StoreError("the store is closed")
            with _translated(), _transaction(self._writer):
                self._writer_thread = threading.get_ident()
                try:
                    yield self._writer
                finally:
                    self._writer_thread = 0

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        """A connection to read from; inside `change` the writing one, which sees what was just written."""
        if self._writer_thread == threading.get_ident():
            yield self._writer
            return
        with self._pool_lock:
            if self._closed:
                raise StoreError("the store is closed")
            connection = self._idle.pop() if self._idle else None
        with _translated():
            connection = connection or self._connect()
            try:
                yield connection
            finally:
                with self._pool_lock:
                    if self._closed:
                        connection.close()
                    else:
                        self._idle.append(connection)


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's errors as `StoreError`, so that no other module needs to know SQLite."""
    try:
        yield
    except sqlite3.Error as problem:
        raise StoreError(f"the database failed: {problem}") from problem


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("begin immediate")
    try:
        yield
        database.execute("commit")
    except BaseException:
        if database.in_transaction:  # SQLite ends it by itself when the disk is full
            database.execute("rollback")
        raise


@contextmanager
def _snapshot(database: sqlite3.Connection) -> Iterator[None]:
    """Several reads that see the same moment."""
    if database.in_transaction:
        yield
        return
    database.execute("begin")
    try:
        yield
    finally:
        database.execute("commit")


def _refuse_untrusted(path: Path) -> None:
    """Look at a file that is there already, without writing to it; raise unless this program may go on with it."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    journal = path.with_name(path.name + "-wal")
    # with nothing in the journal the file is looked at as it is: not even a lock file appears beside it
    mode = "mode=ro" if journal.exists() and journal.stat().st_size else "immutable=1"
    try:
        with path.open("rb") as file:
            known = file.read(len(MAGIC)) == MAGIC
        if not known:
            raise StoreError(f"{path} is not a database")
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True)) as database:
            reason = _distrust(database)
    except (OSError, sqlite3.Error) as problem:
        raise StoreError(f"{path} cannot be read as a database: {problem}") from problem
    if reason:
        raise StoreError(f"{path} {reason}")


def _distrust(database: sqlite3.Connection) -> str:
    """Why a database is not to be used; empty when it is."""
    version, application, tables = (
        database.execute(sql).fetchone()[0]
        for sql in ("pragma user_version", "pragma application_id", "select count(*) from sqlite_master")
    )
    if application != APPLICATION and (tables or version):
        return "is a database of something else"
    if version > VERSION:
        return f"was written by a newer version (its schema is {version}, this one knows {VERSION})"
    verdict = database.execute("pragma quick_check(1)").fetchone()[0]
    return "" if verdict == "ok" else f"is damaged: {verdict}"


def _text(body: Document) -> str:
    """A body as it is kept. Characters stay what they are, so that paths find them; NaN is no JSON and is refused."""
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError) as error:  # a surrogate is a ValueError too
        raise Unkept(str(error)) from None
    return text


def _body(database: sqlite3.Connection, kind: str, key: str) -> Document | None:
    row = database.execute("select body from documents where kind = ? and key = ?", (kind, key)).fetchone()
    return None if row is None else json.loads(row[0])


def _take(database: sqlite3.Connection, kind: str, scope: str, name: str, count: int) -> int:
    """Advance a counter and tell where it stands."""
    sql = (
        "insert into numbers (kind, scope, name, value) values (?, ?, ?, ?) "
        "on conflict do update set value = value + excluded.value"
    )
    database.execute(sql, (kind, scope, name, count))
    sql = "select value from numbers where kind = ? and scope = ? and name = ?"
    return int(database.execute(sql, (kind, scope, name)).fetchone()[0])
