"""A function a limit: from the policy's number to a limit in the weights."""

import numpy as np

from optimizer.errors import PolicyError
from optimizer.model.exposure_types import in_order
from optimizer.model.ranges import ends
from optimizer.numerics.convex_limits import INF, Absolute, Largest, Limits, Linear, Norm
from optimizer.problem.setting import Setting, mean_of, named
from optimizer.problem.trade_bounds import most_traded, moves, within_trades
from optimizer.problem.written.lines import written_limits
from optimizer.problem.written.names import active_row, loadings
from optimizer.problem.written.shares import share_limits
from optimizer.typing import Array

HAIR = 1e-3


def build_limits(setting: Setting) -> Limits:
    """Every limit of the policy, in the order in which messages name them."""
    policy = setting.policy
    bounds, most = weight_bounds(setting), moves(policy, setting.symbols)
    (lower, upper, lower_groups, upper_groups), behind = within_trades(
        most, setting.symbols, setting.held, bounds
    )
    return Limits(
        setting.symbols,
        lower,
        upper,
        lower_groups,
        upper_groups,
        linear=(
            cash_range(len(setting.symbols), policy.cash_min, policy.cash_max),
            *sector_limits(setting),
            *exposure_limits(setting),
            *return_floor(setting),
            *(notional_limit(setting) if policy.long_only else ()),
            *net_range(setting),
            *beta_range(setting),
            *factor_ranges(setting),
            *active_factor_ranges(setting),
            *written_limits(setting),
        ),
        absolute=(
            *turnover_limit(setting),
            *(() if policy.long_only else gross_notional_limit(setting)),
            *gross_limit(setting),
            *margin_limit(setting),
        ),
        norms=(*volatility_cap(setting), *tracking_error_limit(setting)),
        largest=tuple(
            Largest(f"largest {count}", count, most) for count, most in sorted(policy.largest_limits.items())
        ),
        floor=0.0 if policy.long_only else -INF,
        shares=share_limits(setting),
        trades=most_traded(most),
        behind=behind,
    )


def weight_bounds(setting: Setting) -> tuple[Array, Array, tuple[str, ...], tuple[str, ...]]:
    """Lower and upper (n,) with the policy item behind each; `asset_limits` replace the general ones.

    A name that the universe leaves out is not held; PolicyError where a limit demands some of it.
    """
    policy, symbols = setting.policy, setting.symbols
    n = len(symbols)
    shorting_free = -INF if not policy.long_only else 0.0
    floor = shorting_free if policy.min_weight is None else policy.min_weight
    lower, upper = np.full(n, floor), np.full(n, INF if policy.max_weight is None else policy.max_weight)
    lower_groups = ["min_weight" if policy.min_weight else "long_only"] * n
    upper_groups = ["max_weight"] * n
    place = {symbol: i for i, symbol in enumerate(symbols)}
    named(policy.asset_limits, symbols, "asset_limits")
    for symbol, pair in sorted(policy.asset_limits.items()):
        i, (low, high) = place[symbol], ends(pair)
        lower[i], upper[i] = max(low, shorting_free), high
        lower_groups[i] = "long_only" if lower[i] == 0 and policy.long_only else f"min_weight {symbol}"
        upper_groups[i] = f"max_weight {symbol}"
    for symbol in setting.left_out():
        i = place[symbol]
        if symbol in policy.asset_limits and (lower[i] > 0 or upper[i] < 0):
            raise PolicyError(
                f"asset_limits demand {symbol}, which the universe leaves out; add it there, or drop the limit"
            )
        lower[i] = upper[i] = 0.0
        lower_groups[i] = "long_only" if policy.long_only else f"universe {symbol}"
        upper_groups[i] = f"universe {symbol}"
    return lower, upper, tuple(lower_groups), tuple(upper_groups)


def cash_range(n: int, least: float, most: float) -> Linear:
    """least <= 1 - sum w <= most: cash is the slack of the budget."""
    return Linear(("cash_min", "cash_max"), np.full(n, -1.0), least, most, offset=1.0)


def sector_limits(setting: Setting) -> tuple[Linear, ...]:
    """One range a sector; `sector_limits` replace the general `max_sector`."""
    policy, sectors = setting.policy, setting.universe.sectors
    if policy.max_sector is None and not policy.sector_limits:
        return ()
    outside = set(setting.left_out())
    missing = [symbol for symbol in setting.symbols if symbol not in sectors and symbol not in outside]
    if missing:
        raise PolicyError(
            f"no sector is known for {', '.join(missing)}; sector limits need one for each symbol"
        )
    members = {sector: np.array([float(sectors.get(s) == sector) for s in setting.symbols]) for sector in
               sorted({sectors[s] for s in setting.symbols if s in sectors})}  # fmt: skip
    unknown = sorted(set(policy.sector_limits) - set(members))
    if unknown:
        raise PolicyError(f"sector_limits names {', '.join(unknown)}; the sectors are {', '.join(members)}")
    general = INF if policy.max_sector is None else policy.max_sector
    limits = []
    for sector, row in members.items():
        own = sector in policy.sector_limits
        low, high = ends(policy.sector_limits.get(sector, (None, general)))
        names = (f"min_sector {sector}", f"max_sector {sector}")
        if np.isfinite([low, high]).any():
            limits.append(Linear(names, row, low, high, groups=names if own else (names[0], "max_sector")))
    return tuple(limits)


def exposure_limits(setting: Setting) -> tuple[Linear, ...]:
    """One range a type of exposure; a limit on a parent type counts its children."""
    policy = setting.policy
    if not (policy.min_exposures or policy.max_exposures):
        return ()
    types = in_order([*policy.min_exposures, *policy.max_exposures])
    if setting.universe.funds is None:
        raise PolicyError("exposure limits need the funds' exposures; this universe has none: add funds")
    matrix = setting.universe.funds.matrix(setting.symbols, types)
    return tuple(
        Linear(
            (f"min_exposure {kind.name}", f"max_exposure {kind.name}"),
            row,
            policy.min_exposures.get(kind, -INF),
            policy.max_exposures.get(kind, INF),
        )
        for kind, row in zip(types, matrix, strict=True)
    )


def notional(setting: Setting) -> Array:
    """(n,) notional of each fund per 1 of weight: sum of |exposure| without the financing leg, 1 without funds."""
    funds = setting.universe.funds
    return np.ones(len(setting.symbols)) if funds is None else funds.notional(setting.symbols)


def notional_limit(setting: Setting) -> tuple[Linear, ...]:
    """Sum of notional x w <= limit, for weights that cannot be negative."""
    limit = setting.policy.max_notional
    return () if limit is None else (Linear(("min_notional", "max_notional"), notional(setting), high=limit),)


def gross_notional_limit(setting: Setting) -> tuple[Absolute, ...]:
    """Sum of notional x |w| <= limit."""
    limit = setting.policy.max_notional
    if limit is None:
        return ()
    return (Absolute("max_notional", notional(setting), np.zeros(len(setting.symbols)), limit),)


def return_floor(setting: Setting) -> tuple[Linear, ...]:
    """mean'w + cash x cash rate >= limit, per year."""
    limit = setting.policy.min_return
    if limit is None:
        return ()
    rate = setting.cash_rate()
    return (Linear(("min_return", "max_return"), mean_of(setting.estimates) - rate, limit, offset=rate),)


def turnover_limit(setting: Setting) -> tuple[Absolute, ...]:
    """Half of sum |w - held| <= limit (one-way); names sold out count, the change of cash does not."""
    limit = setting.policy.max_turnover
    if limit is None:
        return ()
    if setting.held is None:
        raise PolicyError("max_turnover needs the held weights; none are given: give them, or drop the limit")
    return (Absolute("max_turnover", np.full(len(setting.symbols), 0.5), setting.held, limit),)


def volatility_cap(setting: Setting) -> tuple[Norm, ...]:
    """sqrt(w'Sw) <= limit, per year."""
    limit = setting.policy.max_volatility
    if limit is None:
        return ()
    return (Norm("max_volatility", setting.estimates.covariance, np.zeros(len(setting.symbols)), limit),)


def tracking_error_limit(setting: Setting) -> tuple[Norm, ...]:
    """sqrt((w - b)'S(w - b)) <= limit, ex ante per year, against the benchmark, else the held weights."""
    limit = setting.policy.max_tracking_error
    if limit is None:
        return ()
    covariance = setting.estimates.covariance
    typical = float(np.sqrt(setting.estimates.variances.mean()))
    if limit < HAIR * typical:
        raise PolicyError(
            f"max_tracking_error is {limit:g}, less than a thousandth of a name's risk ({typical:.3g}): it leaves "
            f"nothing to choose; widen it, or use method min_tracking_error"
        )
    return (Norm("max_tracking_error", covariance, setting.reference(), limit),)


def gross_limit(setting: Setting) -> tuple[Absolute, ...]:
    """Sum of |w| <= limit."""
    limit, n = setting.policy.max_gross, len(setting.symbols)
    return () if limit is None else (Absolute("max_gross", np.ones(n), np.zeros(n), limit),)


def margin_limit(setting: Setting) -> tuple[Absolute, ...]:
    """Sum of long rate x w over what is long, and of short rate x |w| over what is short, <= limit."""
    policy, symbols = setting.policy, setting.symbols
    if policy.max_margin is None:
        return ()
    named(policy.margins, symbols, "margins")
    pairs = [policy.margins.get(symbol, (None, None)) for symbol in symbols]
    long = np.array([policy.long_margin if rate is None else rate for rate, _ in pairs])
    short = np.array([policy.short_margin if rate is None else rate for _, rate in pairs])
    tilt = (long - short) / 2
    row = tilt if tilt.any() else None
    return (Absolute("max_margin", (long + short) / 2, np.zeros(len(symbols)), policy.max_margin, row),)


def net_range(setting: Setting) -> tuple[Linear, ...]:
    """low <= sum w <= high."""
    pair = setting.policy.net_limits
    return (
        () if pair is None else (Linear(("min_net", "max_net"), np.ones(len(setting.symbols)), *ends(pair)),)
    )


def beta_range(setting: Setting) -> tuple[Linear, ...]:
    """low <= b'Sw / b'Sb <= high, b being the benchmark."""
    pair = setting.policy.beta_limits
    if pair is None:
        return ()
    if setting.universe.benchmark is None:
        raise PolicyError("beta_limits need a benchmark; this portfolio has none: add one")
    reference = setting.reference()
    pull = setting.estimates.risk @ reference
    if not float(reference @ pull) > 0:
        raise PolicyError(
            "beta_limits need a benchmark that moves; this one has no risk: drop them, or change it"
        )
    return (Linear(("min_beta", "max_beta"), pull / float(reference @ pull), *ends(pair)),)


def factor_ranges(setting: Setting) -> tuple[Linear, ...]:
    """low <= sum of loading x w <= high, for each factor."""
    return tuple(
        Linear((f"min_factor {name}", f"max_factor {name}"), loadings(setting, name), *ends(pair))
        for name, pair in sorted(setting.policy.factor_limits.items())
    )


def active_factor_ranges(setting: Setting) -> tuple[Linear, ...]:
    """low <= sum of loading x (w - b) <= high for each factor, b being the benchmark."""
    found = []
    for name, pair in sorted(setting.policy.active_factor_limits.items()):
        row, offset = active_row(setting, name)
        names = (f"min_active_factor {name}", f"max_active_factor {name}")
        found.append(Linear(names, row, *ends(pair), offset=offset))
    return tuple(found)
