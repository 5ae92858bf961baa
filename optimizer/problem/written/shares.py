"""Limits on shares of the variance, from names to what each part contributes."""

from collections.abc import Callable
from functools import partial

import numpy as np

from optimizer.errors import Conflict, InfeasibleError, PolicyError
from optimizer.model.policies.text_limits import TextLimit, parse_limit
from optimizer.model.ranges import Range, ends
from optimizer.model.universe import FactorRisk
from optimizer.numerics.matrices import LowRank, Matrix, variances
from optimizer.numerics.shares.risk_share import NO_RISK, Share
from optimizer.problem.setting import Setting
from optimizer.problem.written.lines import of_risk
from optimizer.problem.written.names import RISK, kind_and_name, loadings, readings, unknown
from optimizer.typing import Array

FACTORS, SPECIFIC = "factors", "specific"
ROOM = 1e-4  # less leaves a single portfolio, which no search meets


def share_limits(setting: Setting) -> tuple[Share, ...]:
    """One a name, then those of `risk_share_limits`, then lines of text; PolicyError for what shares no risk here."""
    policy = setting.policy
    own = dict(policy.risk_share_limits)
    if policy.max_risk_share is not None:
        named: dict[str, Range] = dict.fromkeys(setting.symbols, (None, policy.max_risk_share))
        own = {**named, **own}
        _refuse_too_low(setting, policy.max_risk_share, own)
    fields = [
        _share(setting, {name: 1.0}, (f"min_risk_share {name}", f"max_risk_share {name}"), *ends(pair))
        for name, pair in own.items()
    ]
    lines = [limit for limit in map(parse_limit, policy.limits) if of_risk(limit)]
    return (*fields, *(_written(setting, limit) for limit in lines))


def _refuse_too_low(setting: Setting, cap: float, limits: dict[str, Range]) -> None:
    """Raises InfeasibleError where names that all move may not have all of the risk, or only just: they share 1.

    Not where all may be cash, which has no risk to share.
    """
    own = setting.estimates.variances
    if own.min() <= NO_RISK * own.max() or setting.policy.cash_max >= 1:
        return
    outside = set(setting.left_out())
    held = [symbol for symbol in setting.symbols if symbol not in outside]
    general = [symbol for symbol in held if symbol not in setting.policy.risk_share_limits]
    others = sum(ends(limits[symbol])[1] for symbol in held if symbol not in general)
    missing = (1.0 - others - cap * len(general)) / max(len(general), 1)
    if missing > -ROOM / 10 and general:
        conflict = Conflict("max_risk_share", cap, max(missing, 0.0), room=ROOM)
        raise InfeasibleError.of((conflict,), ((conflict,),))


def _written(setting: Setting, limit: TextLimit) -> Share:
    terms = {kind_and_name(name)[1]: factor for name, factor in limit.terms.items()}
    return _share(setting, terms, (limit.text, limit.text), limit.low, limit.high)


def _share(
    setting: Setting, terms: dict[str, float], names: tuple[str, str], low: float, high: float
) -> Share:
    """A sum of names and groups by the covariance of the estimates, or of factors by the model that has them."""
    picked = {name: _picked(setting, name) for name in terms}
    if all(row is not None for row in picked.values()):
        pick = sum(
            (f * np.asarray(picked[name]) for name, f in terms.items()), np.zeros(len(setting.symbols))
        )
        risk = setting.estimates.risk
        return Share(names, risk, partial(of_names, risk, pick), pick * variances(risk), low, high)
    if any(row is not None for row in picked.values()):
        raise PolicyError(
            f"limit {names[1]!r} adds names to factors, whose risk is that of names as well; write two lines"
        )
    return _share_of_factors(setting, terms, names, low, high)


def of_names(risk: Matrix, pick: Array, x: Array) -> Array:
    """(n,) or (n, k) of it: what the names of `pick` (n,) contribute, diag(pick) S x."""
    pulled = risk @ x
    return np.asarray(pick * pulled if x.ndim == 1 else pick[:, None] * pulled)


def of_factors(exposures: Array, mixed: Array, own: Array, x: Array) -> Array:
    """What factors contribute, X diag(f) F X'x, and names by themselves, s D x.

    exposures  (n, K) X;  mixed  (K, K) diag(f) F;  own  (n,) s D
    """
    alone = own * x if x.ndim == 1 else own[:, None] * x
    return np.asarray(exposures @ (mixed @ (exposures.T @ x)) + alone)


def _share_of_factors(
    setting: Setting, terms: dict[str, float], names: tuple[str, str], low: float, high: float
) -> Share:
    model = setting.universe.factor_risk
    if model is None:
        raise PolicyError(
            f"limit {names[1]!r} is on the risk of factors, and no factor model is known here; set covariance_method "
            f"to factor_model, or give Universe(factors=model.loadings, factor_risk=model.risk)"
        )
    exposures = np.column_stack([loadings(setting, factor) for factor in model.factors])
    outside = set(setting.left_out())
    if lost := [s for s in setting.symbols if s not in model.specific and s not in outside]:
        raise PolicyError(f"the factor model has no specific risk of {', '.join(lost)}; fit it with them")
    specific = np.array([model.specific.get(symbol, 0.0) for symbol in setting.symbols])
    weights, own = np.zeros(len(model.factors)), 0.0
    for name, factor in terms.items():
        if kind_and_name(name)[1] == SPECIFIC:
            own += factor
            continue
        chosen = _chosen_factors(setting, model, name, names[1])
        weights = weights + factor * chosen
    values, vectors = np.linalg.eigh(model.covariance)
    root = np.sqrt(values.clip(0.0))[:, None] * vectors.T
    mixed = weights[:, None] * (root.T @ root)
    diagonal = np.einsum("ij,jk,ik->i", exposures, mixed, exposures) + own * specific
    part = partial(of_factors, exposures, mixed, own * specific)
    return Share(names, LowRank(root @ exposures.T, specific), part, diagonal, low, high)


def _picked(setting: Setting, name: str) -> Array | None:
    """(n,) 1 for the names of a symbol or sector; None for what is of the factor model. PolicyError for others."""
    kind, rest = kind_and_name(name)
    if kind == "factor" or (kind == "" and rest in (FACTORS, SPECIFIC)):
        return None
    found = {
        k: row for k, row in readings(setting, rest).items() if k in ("symbol", "sector") and kind in ("", k)
    }
    of_model = kind == "" and _names_factors(setting, rest)
    if len(found) + of_model > 1:
        ways = [f"{k}:{rest}" for k in (*found, *(("factor",) if of_model else ()))]
        raise PolicyError(
            f"limit on the risk of {rest!r}, which is several things; write {' or '.join(ways)}"
        )
    if not found and not of_model:
        raise unknown(setting, f"{RISK}:{name}", name, rest, (FACTORS, SPECIFIC))
    return next(iter(found.values()), None)


def _names_factors(setting: Setting, name: str) -> bool:
    model = setting.universe.factor_risk
    return name in setting.universe.factors or (model is not None and name in model.groups)


def _chosen_factors(setting: Setting, model: FactorRisk, name: str, text: str) -> Array:
    """(K,) 1 for a factor, those of a group ("style"), or all."""
    _, rest = kind_and_name(name)
    tests: tuple[Callable[[int], bool], ...] = (
        lambda k: model.factors[k] == rest,
        lambda k: model.groups[k] == rest or rest == FACTORS,
    )
    for chosen in tests:
        row = np.array([float(chosen(k)) for k in range(len(model.factors))])
        if row.any():
            return row
    raise unknown(setting, text, name, rest, (*model.factors, *model.groups, FACTORS, SPECIFIC))
