"""Definitions of runs: what is taken, what is refused and with which words, what is shown of them."""

from __future__ import annotations

import json

import pytest

from azml_magics.emulator.definition import BadDefinition, configuration_of, is_contained, parse, shown

GIVEN = {"Script": "hello.py", "Target": "cpu-compute"}


def test_the_articles_definition_is_read():
    configuration = {
        **GIVEN,
        "Arguments": ["234"],
        "SourceDirectoryDataStore": None,
        "Framework": "Python",
        "Communicator": "None",
        "MaxRunDurationSeconds": 1200,
        "NodeCount": 1,
        "Environment": {"Python": {"InterpreterPath": "python"}},
        "History": {"OutputCollection": True},
    }
    found = parse(configuration_of(json.dumps({"Configuration": configuration}).encode()))
    assert (found.script, found.arguments, found.target) == ("hello.py", ("234",), "cpu-compute")
    assert (found.seconds, found.node_count, found.notes) == (1200, 1, ())


def test_the_sdks_camel_case_is_read_alike():
    configuration = {"script": "a/train.py", "target": "local", "arguments": ["--lr", 0.1], "nodeCount": 2}
    found = parse(configuration_of(json.dumps({"configuration": configuration, "SnapshotId": "x"}).encode()))
    assert (found.script, found.arguments, found.node_count) == ("a/train.py", ("--lr", "0.1"), 2)


def test_a_byte_order_mark_does_no_harm():
    assert configuration_of(b"\xef\xbb\xbf" + json.dumps({"Configuration": GIVEN}).encode()) == GIVEN


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "no Configuration"),
        (b'{"Configuration": 3}', "no Configuration"),
    ],
)
def test_a_file_without_a_configuration_is_refused(data, text):
    with pytest.raises(BadDefinition, match=text):
        configuration_of(data)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"Script": None}, "Script is missing"),
        ({"Script": 3}, "Script is not text"),
        ({"Script": "../hello.py"}, "leads out of the zip"),
        ({"Script": "/etc/hello.py"}, "leads out of the zip"),
        ({"Script": "C:\\hello.py"}, "leads out of the zip"),
        ({"Command": "python hello.py"}, "both Script and Command"),
        ({"Target": None}, "Target is missing"),
        ({"Arguments": "a b"}, "not a list"),
        ({"Arguments": [["a"]]}, "not a list"),
        ({"NodeCount": 0}, "NodeCount"),
        ({"NodeCount": 1.5}, "NodeCount"),
        ({"NodeCount": True}, "NodeCount"),
        ({"MaxRunDurationSeconds": 0}, "MaxRunDurationSeconds"),
        ({"NodeCount": 3_000_000}, "at most 10000"),
        ({"MaxRunDurationSeconds": 1e30}, "MaxRunDurationSeconds"),
        ({"MaxRunDurationSeconds": -3}, "MaxRunDurationSeconds"),
        ({"MaxRunDurationSeconds": "soon"}, "MaxRunDurationSeconds"),
        ({"Framework": "PySpark"}, "PySpark"),
        ({"EnvironmentVariables": ["A"]}, "not an object"),
        ({"EnvironmentVariables": {"A=B": "x"}}, "not allowed"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(change, text):
    with pytest.raises(BadDefinition, match=text):
        parse({**GIVEN, **change})


def test_windows_separators_of_a_script_are_turned():
    assert parse({**GIVEN, "Script": ".\\src\\hello.py"}).script == "src/hello.py"


def test_what_is_done_otherwise_is_noted():
    asked = {"Framework": "PyTorch", "Communicator": "Mpi", "NodeCount": 2, "DataReferences": {"a": {}}}
    notes = "\n".join(parse({**GIVEN, **asked}).notes)
    for word in ("PyTorch", "Mpi", "2 nodes", "DataReferences"):
        assert word in notes


def test_variables_of_the_configuration_win_over_those_of_the_environment():
    environment = {"environmentVariables": {"A": "1", "B": 2}}
    found = parse({**GIVEN, "Environment": environment, "EnvironmentVariables": {"A": "3", "C": None}})
    assert found.variables == {"A": "3", "B": "2", "C": ""}


def test_variables_are_in_no_repr():
    assert "hush" not in repr(parse({**GIVEN, "EnvironmentVariables": {"API_KEY": "hush"}}))


def test_a_shown_configuration_has_small_first_letters_and_no_secrets():
    configuration = {
        "Script": "hello.py",
        "EnvironmentVariables": {"API_KEY": "hush", "STORAGE_CONNECTION_STRING": "hush", "Size": "3", "MONKEY": "b"},
        "Environment": {"Docker": {"BaseImageRegistry": {"Password": "hush", "Username": "me"}}},
        "DataReferences": {"MyData": {"PathOnCompute": "x"}},
    }
    assert shown(configuration) == {
        "script": "hello.py",
        "environmentVariables": {
            "API_KEY": "********",
            "STORAGE_CONNECTION_STRING": "********",
            "Size": "3",
            "MONKEY": "b",
        },
        "environment": {"docker": {"baseImageRegistry": {"password": "********", "username": "me"}}},
        "dataReferences": {"MyData": {"pathOnCompute": "x"}},
    }


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "a\\b", "C:a"])
def test_a_path_that_leads_out_is_not_contained(path):
    assert not is_contained(path)


@pytest.mark.parametrize("path", ["a", "a/b.c", "a..b", "a:b/c"[2:]])
def test_a_path_that_stays_is_contained(path):
    assert is_contained(path)
