"""What a name in a limit stands for: a symbol, sector, exposure, factor or beta, with or less the benchmark's."""

import numpy as np

from optimizer.errors import PolicyError, meant
from optimizer.model.exposure_types import ExposureType
from optimizer.problem.setting import Setting
from optimizer.typing import Array

KINDS = ("symbol", "sector", "exposure", "factor", "total")
ACTIVE, BETA, RISK = "active", "beta", "risk"


def kind_and_name(name: str) -> tuple[str, str]:
    """What stands before the first colon, where that is a kind of name, and the rest, which may have colons."""
    kind, _, rest = name.partition(":")
    return (kind, rest) if rest and kind in (*KINDS, ACTIVE, BETA, RISK) else ("", name)


def row_and_offset(setting: Setting, name: str, text: str) -> tuple[Array, float]:
    """(n,) what each weight adds to the amount of that name, and what the amount is without any weight.

    "beta:TLT" is the portfolio's beta to a symbol, by the estimated covariance; "active:" before a name is what the
    portfolio has of it beyond its benchmark. Raises PolicyError for an unknown or ambiguous one.
    """
    kind, rest = kind_and_name(name)
    if kind == ACTIVE:
        row, _ = row_and_offset(setting, rest, text)
        against = benchmark_of(setting, f"limit {text!r}")
        _refuse_unknown_loadings(setting, kind_and_name(rest)[1], against)
        return row, -float(row @ against)
    if kind == BETA and rest in setting.symbols:
        pull = setting.estimates.covariance[setting.symbols.index(rest)]
        return np.asarray(pull / pull[setting.symbols.index(rest)]), 0.0
    found = {k: row for k, row in readings(setting, rest).items() if kind in ("", k)}
    if len(found) == 1:
        # Cash is 1 less the sum of the weights.
        return next(iter(found.values())), float(rest.lower() == "cash")
    if found:
        raise PolicyError(
            f"limit {text!r}: {name} is both {' and '.join(found)}; write {' or '.join(f'{k}:{rest}' for k in found)}"
        )
    raise unknown(setting, text, name, rest)


def unknown(setting: Setting, text: str, name: str, rest: str, more: tuple[str, ...] = ()) -> PolicyError:
    """What to say of a name that stands for nothing."""
    sectors = sorted(set(setting.universe.sectors.values()))
    names = [*setting.symbols, *sectors, *setting.universe.factors, *(more or ("cash", "invested"))]
    return PolicyError(f"limit {text!r}: {name!r} is not known; {meant(rest, names)}")


def readings(setting: Setting, name: str) -> dict[str, Array]:
    """Everything that a name can mean here."""
    n, universe = len(setting.symbols), setting.universe
    found: dict[str, Array] = {}
    if name in setting.symbols:
        found["symbol"] = np.eye(n)[setting.symbols.index(name)]
    sector = np.array([float(universe.sectors.get(s, "").lower() == name.lower()) for s in setting.symbols])
    if sector.any():
        found["sector"] = sector
    if name in universe.factors:
        found["factor"] = loadings(setting, name)
    kinds = {kind.value: kind for kind in ExposureType}
    kind = kinds.get(name.lower().replace(" ", "_"))
    if name.lower() in ("cash", "invested"):
        found["total"] = np.ones(n) * (-1.0 if name.lower() == "cash" else 1.0)
    elif kind is not None and universe.funds is not None:
        found["exposure"] = universe.funds.matrix(setting.symbols, (kind,))[0]
    return found


def loadings(setting: Setting, factor: str) -> Array:
    """(n,) of one factor; PolicyError for an unknown one or a symbol without a loading."""
    factors = setting.universe.factors
    if factor not in factors:
        known = ", ".join(sorted(factors)) or "none"
        raise PolicyError(f"factor {factor!r} has no loadings; those given are {known}: add it to factors")
    outside = set(setting.left_out())
    missing = [
        symbol for symbol in setting.symbols if symbol not in factors[factor] and symbol not in outside
    ]
    if missing:
        raise PolicyError(f"factor {factor} has no loading for {', '.join(missing)}; give one, 0 for none")
    return np.array([factors[factor].get(symbol, 0.0) for symbol in setting.symbols])


def benchmark_of(setting: Setting, what: str) -> Array:
    """(n,) the benchmark's weights; PolicyError, naming what needs them, where there are none."""
    if setting.universe.benchmark is None:
        raise PolicyError(f"{what}: active amounts need a benchmark; this portfolio has none: add one")
    return setting.reference()


def active_row(setting: Setting, factor: str) -> tuple[Array, float]:
    """(n,) loadings of a factor, and less what the benchmark has of it."""
    row, against = loadings(setting, factor), benchmark_of(setting, "active_factor_limits")
    _refuse_unknown_loadings(setting, factor, against)
    return row, -float(row @ against)


def _refuse_unknown_loadings(setting: Setting, factor: str, against: Array) -> None:
    """A name outside the universe needs no loading, unless the benchmark holds it."""
    known = setting.universe.factors.get(factor)
    if known is None:
        return
    missing = [s for s, weight in zip(setting.symbols, against, strict=True) if weight and s not in known]
    if missing:
        raise PolicyError(
            f"factor {factor} has no loading for {', '.join(missing)}, which the benchmark holds; give one, 0 for none"
        )
