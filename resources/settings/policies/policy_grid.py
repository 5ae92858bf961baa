"""A grid of values for keys of a policy, as a desk writes it; and the policy under each combination of them."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from optimizer import PolicyError
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.yaml_files import field_faults, parse_value, plain_value

Scalar = bool | int | float | str
Grid = Mapping[str, Sequence[Scalar]]

HOW = "write it as KEY=VALUE,VALUE such as lookback_days=126,252"


def read_grid(given: Sequence[str]) -> dict[str, list[Scalar]]:
    """The grid of options such as "lookback_days=126,252"; PolicyError names every wrong key and value."""
    grid: dict[str, list[Scalar]] = {}
    for option in given:
        key, equals, values = option.partition("=")
        if not (equals and key.strip() and values.strip()):
            raise PolicyError(f"sweep {option!r} has no values; {HOW}")
        if key.strip() in grid:
            raise PolicyError(f"sweep {key.strip()} stands twice; write all its values in one, after commas")
        grid[key.strip()] = [_scalar(option, word.strip()) for word in values.split(",")]
    if faults := grid_faults(grid):
        raise PolicyError("\n".join(faults))
    return grid


def _scalar(option: str, word: str) -> Scalar:
    """A number, true or false, or a word: as YAML reads it."""
    value = plain_value(word, f"sweep {option!r}")
    if not isinstance(value, bool | int | float | str):
        raise PolicyError(f"sweep {option!r}: {word!r} is neither a number nor a word; {HOW}")
    return value


def grid_faults(grid: Grid) -> list[str]:
    """What is wrong with each key and value by itself; a key within a section has a dot: black_litterman.tau."""
    faults = []
    for key, values in grid.items():
        if not values:
            faults.append(f"sweep: {key} has no values; give at least one")
        if twice := sorted({str(value) for value in values if list(values).count(value) > 1}):
            faults.append(f"sweep: {key} has {', '.join(twice)} twice; keep one")
        found = [said for value in values for said in field_faults(_nested(key, value), PolicyFile, "sweep")]
        faults += dict.fromkeys(found)
    return faults


def varied(policy: PolicyFile, grid: Grid) -> dict[str, PolicyFile]:
    """The policy under every combination of the grid, named "key=value, ..."; PolicyError where one cannot be."""
    stated = policy.model_dump(exclude_unset=True)
    found = {}
    for values in product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        name = ", ".join(f"{key}={value}" for key, value in chosen.items())
        changed = stated
        for key, value in chosen.items():
            changed = _with(changed, _nested(key, value))
        found[name] = parse_value(changed, PolicyFile, f"sweep {name}")
    return found


def is_variant(strategy: str) -> bool:
    """Whether a strategy of a backtest is one of `varied`: by its name."""
    return "=" in strategy


def _nested(key: str, value: Any) -> dict[str, Any]:
    """a.b=1 -> {a: {b: 1}}."""
    first, _, rest = key.partition(".")
    return {first: _nested(rest, value) if rest else value}


def _with(stated: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`stated` with the change, section by section."""
    merged = dict(stated)
    for key, value in change.items():
        below = merged.get(key)
        merged[key] = _with(below or {}, value) if isinstance(value, dict) else value
    return merged
