"""MLflow's search language, read into conditions."""

from __future__ import annotations

import pytest

from azml_magics.emulator.conditions import AllOf, Where
from azml_magics.emulator.handlers.mlflow_search import BadSearch, conditions, orders


def test_names_may_be_quoted_and_prefixes_have_several_forms():
    for text in ("params.`my lr` = '0.1'", 'parameter."my lr" = "0.1"', "PARAMS.`my lr`='0.1'"):
        found = conditions(text)
        assert found == [AllOf((Where(("parameters", "my lr"), "ne"), Where(("parameters", "my lr"), "eq", "0.1")))], (
            text
        )


def test_values_may_hold_and():
    found = conditions("tags.a = 'x and y' AND metrics.m >= 1")
    assert found[1] == Where(("_metrics", "m", "value"), "ge", 1.0)


def test_nothing_asks_for_nothing():
    assert conditions(None) == conditions("  ") == []
    assert orders(None) == []


@pytest.mark.parametrize(
    "text",
    ["metrics.a", "metrics.a > x", "status > 'FINISHED'", "colour = 'red'", "a = 'b' or c = 'd'", "name = 'a' and"],
)
def test_what_cannot_be_read_is_an_error(text):
    with pytest.raises(BadSearch):
        conditions(text)


def test_orders_name_paths_and_directions():
    assert orders(["metrics.acc DESC", "attributes.start_time", "params.`a b` asc"]) == [
        (("_metrics", "acc", "value"), True),
        (("startTimeUtc",), False),
        (("parameters", "a b"), False),
    ]
    with pytest.raises(BadSearch):
        orders(["metrics.acc DOWN"])
