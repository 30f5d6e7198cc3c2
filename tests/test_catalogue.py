"""Whatever the catalogue says is true of the words, the help, the emulator and the reference."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from azml_magics import reference
from azml_magics.catalogue import RESOURCES, Column, Resource, find, locate
from azml_magics.catalogue.schema import collection, keys_of
from azml_magics.emulator.handlers import HANDLERS, ordinary
from azml_magics.emulator.service import Call
from azml_magics.subcommands import CELLS, SUBCOMMANDS
from azml_magics.subcommands.resources import subcommands
from tests.conftest import World

OPERATIONS = [(r, o) for r in RESOURCES for o in r.operations]
IDS = [r.operation_id(o) for r, o in OPERATIONS]
README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("operation_id", IDS)
def test_the_emulator_answers_it(operation_id):
    assert operation_id in HANDLERS


def test_no_handler_answers_an_operation_that_is_not_there():
    assert set(HANDLERS) <= set(IDS)


@pytest.mark.parametrize(
    ("resource", "operation"),
    [p for p in OPERATIONS if p[1].word],
    ids=lambda v: getattr(v, "verb", v.noun if hasattr(v, "noun") else ""),
)
def test_it_has_words(resource, operation):
    assert (resource.noun, operation.verb) in SUBCOMMANDS


def test_every_word_names_operations_that_are_there():
    for subcommand in (*SUBCOMMANDS.values(), *CELLS.values()):
        for operation_id in subcommand.operations:
            locate(operation_id)


def test_words_and_ids_are_unique():
    assert len(IDS) == len(set(IDS))
    nouns = [r.noun for r in RESOURCES] + [r.plural for r in RESOURCES]
    assert len(nouns) == len(set(nouns))


@pytest.mark.parametrize(("resource", "operation"), OPERATIONS, ids=IDS)
def test_its_paths_are_well_formed(resource, operation):
    for path in (operation.path, *operation.also):
        assert re.fullmatch(r"(/[\w.:{}*$-]*)+", path)
        keys = list(keys_of(path))
        assert len(keys) == len(set(keys))
    assert not operation.path.endswith("/") or operation.path == "/"


def test_the_readme_has_the_table_of_words_as_it_is_now():
    text = README.read_text(encoding="utf-8")
    assert reference.written_into(text) == text, "run: python -m azml_magics.reference"


def test_find_takes_singular_and_plural():
    assert find("runs") is find("run")
    with pytest.raises(KeyError):
        find("toaster")


SCHEDULES = Resource(
    noun="schedule",
    plural="schedules",
    summary="A job that starts by the clock",
    api_version="2024-04-01",
    operations=collection("schedules", "schedule", "list", "show", "create", "update", "delete"),
    columns=(Column("name", "name"), Column("state", "properties.provisioningState")),
)


def test_a_new_resource_type_lives_its_life_with_the_ordinary_verbs(in_process: World):
    """What CONTRIBUTING promises: an entry of data is enough."""
    service = in_process.service
    assert service is not None
    scope = in_process.state.scope
    path = {"subscription": scope.subscription, "group": scope.group.upper(), "workspace": scope.workspace}

    def call(verb, body=None, **keys):
        operation = SCHEDULES.operation(verb)
        url = "https://management.azure.com/x?api-version=2024-04-01"
        made = Call(SCHEDULES, operation, path | keys, {}, {}, "https://management.azure.com", url, body)
        return ordinary.VERBS[verb](service, made)

    assert call("create", {"properties": {"a": 1}}, name="Nightly").status == 201
    assert call("create", {"properties": {"a": 2}}, name="nightly").status == 200
    assert call("update", {"properties": {"b": 3}}, name="nightly").body["properties"] == {
        "a": 2, "b": 3, "provisioningState": "Succeeded",
    }  # fmt: skip
    (only,) = call("list").body["value"]
    assert (only["id"].rpartition("/")[2], only["type"]) == (
        "Nightly",
        "Microsoft.MachineLearningServices/workspaces/schedules",
    )
    assert [call("delete", name="nightly").status for _ in range(2)] == [200, 204]


def test_a_new_resource_type_has_words_with_help_of_their_own():
    made = {s.phrase: s for s in subcommands((), (SCHEDULES,))}
    assert list(made) == ["schedule list", "schedule show", "schedule create", "schedule update", "schedule delete"]
    assert made["schedule show"].example == "%azml schedule show my-schedule"
    assert [a.name for a in made["schedule create"].arguments] == ["schedule", "--body"]
