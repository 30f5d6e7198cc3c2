from __future__ import annotations

import itertools
import math
import random
import statistics
from typing import Any

import pytest

from azml_magics.emulator.sweeps import BadSpace, arguments_of, check_space, draw, draws, grid


def drawn(entry: list[Any], count: int = 400) -> list[Any]:
    check_space({"p": entry})
    rng = random.Random(7)
    return [draw({"p": entry}, rng)["p"] for _ in range(count)]


def test_a_choice_is_of_the_nested_list_of_the_wire() -> None:
    assert set(drawn(["choice", [[16, "32", 0.5]]])) == {16, "32", 0.5}
    assert set(drawn(["choice", [16, 32]])) == {16, 32}


def test_randint_is_below_its_upper_bound() -> None:
    assert set(drawn(["randint", [4]])) == {0, 1, 2, 3}


def test_uniform_stays_between_its_bounds_and_fills_them() -> None:
    values = drawn(["uniform", [-1, 3]])
    assert -1 <= min(values) < -0.9
    assert 2.9 < max(values) <= 3


def test_quniform_is_a_multiple_of_its_step() -> None:
    assert set(drawn(["quniform", [0, 1, 0.25]])) == {0, 0.25, 0.5, 0.75, 1}
    assert 0.3 in drawn(["quniform", [0, 1, 0.1]])


def test_loguniform_takes_the_logarithms_of_its_bounds() -> None:
    values = drawn(["loguniform", [math.log(1e-4), math.log(1)]])
    assert 1e-4 <= min(values) < max(values) <= 1
    assert statistics.median(values) == pytest.approx(1e-2, rel=0.5)
    assert set(drawn(["qloguniform", [0, 1, 1]])) == {1, 2, 3}


def test_normal_has_mean_and_spread() -> None:
    values = drawn(["normal", [10, 3]], 2000)
    assert statistics.mean(values) == pytest.approx(10, abs=0.3)
    assert statistics.stdev(values) == pytest.approx(3, abs=0.3)
    assert all(value == int(value) for value in drawn(["qnormal", [10, 3, 1]]))


def test_lognormal_is_the_exponential_of_normal() -> None:
    values = drawn(["lognormal", [1, 0.5]], 2000)
    assert statistics.mean(map(math.log, values)) == pytest.approx(1, abs=0.1)
    assert all(value % 5 == 0 for value in drawn(["qlognormal", [3, 1, 5]]))


def test_the_same_seed_draws_the_same_values() -> None:
    space = {"--lr": ["uniform", [0, 1]], "--batch": ["choice", [[1, 2, 3]]]}
    first, again, other = (list(itertools.islice(draws(space, seed), 5)) for seed in ("a", "a", "b"))
    assert first == again != other
    assert set(first[0]) == {"--lr", "--batch"}


def test_a_grid_is_every_combination() -> None:
    space = {"a": ["choice", [[1, 2]]], "b": ["choice", [["x", "y"]]]}
    assert grid(space) == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]


def test_an_option_may_be_a_space_of_its_own() -> None:
    options = [{"model": "svm", "c": ["choice", [[1, 2]]]}, {"model": "tree"}]
    space = {"model": ["choice", [options]]}
    assert grid(space) == [{"model": "svm", "c": 1}, {"model": "svm", "c": 2}, {"model": "tree"}]
    seen = {tuple(sorted(values.items())) for values in itertools.islice(draws(space, "s"), 50)}
    assert seen == {(("c", 1), ("model", "svm")), (("c", 2), ("model", "svm")), (("model", "tree"),)}


@pytest.mark.parametrize(
    "space",
    [
        None,
        {},
        [],
        {"a": 1},
        {"a": ["choice"]},
        {"a": ["choice", []]},
        {"a": ["choice", [[]]]},
        {"a": ["cauchy", [0, 1]]},
        {"a": ["uniform", [0]]},
        {"a": ["uniform", ["0", 1]]},
        {"a": ["quniform", [0, 1, 0]]},
        {"a": ["randint", [0]]},
        {"a": ["loguniform", [0, 1000]]},
        {"a": ["choice", [[{"b": ["uniform", [0]]}]]]},
    ],
)
def test_a_space_that_nothing_can_be_drawn_from_is_refused(space: Any) -> None:
    with pytest.raises(BadSpace):
        check_space(space)


def test_a_grid_takes_choices_only_and_not_too_many() -> None:
    with pytest.raises(BadSpace, match="lr"):
        check_space({"lr": ["uniform", [0, 1]]}, grid=True)
    with pytest.raises(BadSpace):
        grid({name: ["choice", [list(range(100))]] for name in "abcdefgh"})


def test_arguments_get_dashes_where_they_have_none() -> None:
    assert arguments_of({"--lr": 0.1, "-b": 2, "name": "x"}) == ["--lr", 0.1, "-b", 2, "--name", "x"]
