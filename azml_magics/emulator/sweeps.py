"""Parameter spaces of a sweep, and the values drawn from them. Pure: knows no store, no run and no HTTP.

A space is what the wire carries: `{parameter: [distribution, arguments]}` (wire-v1 10). An option of a `choice`
may itself be a space: its parameters then exist only where it was chosen.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

#: The longest grid that is spelled out; a sweep has a limit of jobs far below it.
LARGEST_GRID = 100_000
#: Above it the exponential of a draw may be no number.
LARGEST_LOGARITHM = 300


class BadSpace(Exception):
    """A parameter space that nothing can be drawn from; the text says which parameter and why."""


def quantized(value: float, step: float) -> float:
    """The multiple of `step` next to `value`, without the dust of binary fractions."""
    return float(f"{round(value / step) * step:.12g}")


#: Distribution -> number of arguments and the draw. Logarithmic ones take the logarithm's bounds (wire-v1 10).
DRAWS: Mapping[str, tuple[int, Callable[..., float]]] = {
    "randint": (1, lambda rng, upper: rng.randrange(int(upper))),
    "uniform": (2, lambda rng, low, high: rng.uniform(low, high)),
    "quniform": (3, lambda rng, low, high, step: quantized(rng.uniform(low, high), step)),
    "loguniform": (2, lambda rng, low, high: math.exp(rng.uniform(low, high))),
    "qloguniform": (3, lambda rng, low, high, step: quantized(math.exp(rng.uniform(low, high)), step)),
    "normal": (2, lambda rng, mean, spread: rng.gauss(mean, spread)),
    "qnormal": (3, lambda rng, mean, spread, step: quantized(rng.gauss(mean, spread), step)),
    "lognormal": (2, lambda rng, mean, spread: math.exp(rng.gauss(mean, spread))),
    "qlognormal": (3, lambda rng, mean, spread, step: quantized(math.exp(rng.gauss(mean, spread)), step)),
}


def check_space(space: Any, *, grid: bool = False) -> None:
    """Refuse a space that cannot be drawn from; a grid is made of choices alone."""
    if not isinstance(space, Mapping) or not space:
        raise BadSpace("parameter_space must be an object with at least one parameter")
    for name, entry in space.items():
        if not _is_distribution(entry):
            raise BadSpace(f"{name}: expected [distribution, [arguments]]")
        kind = str(entry[0]).lower()
        if kind == "choice":
            _check_choice(name, entry, grid=grid)
        elif kind not in DRAWS:
            raise BadSpace(f"{name}: unknown distribution {entry[0]!r}")
        elif grid:
            raise BadSpace(f"{name}: grid sampling takes only choice, not {kind}")
        else:
            _check_numbers(name, kind, entry[1])


def draw(space: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """One value for every parameter."""
    values: dict[str, Any] = {}
    for name, entry in space.items():
        kind = str(entry[0]).lower()
        if kind != "choice":
            values[name] = DRAWS[kind][1](rng, *entry[1])
            continue
        option = rng.choice(_options(entry))
        values.update(_conditional(option, rng) if isinstance(option, Mapping) else {name: option})
    return values


def draws(space: Mapping[str, Any], seed: str) -> Iterator[dict[str, Any]]:
    """Draws without end; the same seed gives the same ones, so that an emulator can go on after a restart."""
    rng = random.Random(seed)  # noqa: S311 not a secret
    while True:
        yield draw(space, rng)


def grid(space: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of a space of choices, the last parameter fastest."""
    axes = []
    for name, entry in space.items():
        axis: list[dict[str, Any]] = []
        for option in _options(entry):
            axis.extend(_every(option) if isinstance(option, Mapping) else [{name: option}])
        axes.append(axis)
    if math.prod(map(len, axes)) > LARGEST_GRID:
        raise BadSpace(f"the grid has more than {LARGEST_GRID} combinations")
    return [{k: v for part in parts for k, v in part.items()} for parts in itertools.product(*axes)]


def arguments_of(values: Mapping[str, Any]) -> list[Any]:
    """Parameters as a script's arguments: `--name value`; a name that has dashes already keeps them."""
    return [item for name, value in values.items() for item in (name if name.startswith("-") else f"--{name}", value)]


def _is_distribution(entry: Any) -> bool:
    return isinstance(entry, Sequence) and len(entry) == 2 and isinstance(entry[0], str) and isinstance(entry[1], list)


def _options(entry: Sequence[Any]) -> list[Any]:
    """The options of a choice: the wire has them in a list in the list of arguments (wire-v1 10)."""
    arguments: list[Any] = entry[1]
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments


def _check_choice(name: str, entry: Sequence[Any], *, grid: bool) -> None:
    options = _options(entry)
    if not options:
        raise BadSpace(f"{name}: a choice needs options")
    for option in options:
        if isinstance(option, Mapping):
            nested = {k: v for k, v in option.items() if _is_distribution(v)}
            if nested:
                check_space(nested, grid=grid)


def _check_numbers(name: str, kind: str, arguments: list[Any]) -> None:
    count = DRAWS[kind][0]
    if len(arguments) != count or not all(isinstance(a, int | float) for a in arguments):
        raise BadSpace(f"{name}: {kind} takes {count} number(s)")
    if kind == "randint" and arguments[0] < 1:
        raise BadSpace(f"{name}: randint needs an upper bound of at least 1")
    if "log" in kind and max(arguments[:2]) > LARGEST_LOGARITHM:
        raise BadSpace(f"{name}: {kind} takes logarithms, {LARGEST_LOGARITHM} at most")
    if count == 3 and arguments[2] <= 0:
        raise BadSpace(f"{name}: {kind} needs a step above 0")


def _conditional(option: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """The parameters of a chosen sub-space; what is no distribution is a constant."""
    nested = {k: v for k, v in option.items() if _is_distribution(v)}
    return {k: v for k, v in option.items() if k not in nested} | draw(nested, rng)


def _every(option: Mapping[str, Any]) -> list[dict[str, Any]]:
    nested = {k: v for k, v in option.items() if _is_distribution(v)}
    constant = {k: v for k, v in option.items() if k not in nested}
    return [constant | values for values in (grid(nested) if nested else [{}])]
