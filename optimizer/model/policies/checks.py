"""Whether the numbers of a policy can be meant."""

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import get_args

import numpy as np

from optimizer.errors import PolicyError, check_one_of
from optimizer.model.policies.fields import (
    DoubtShape,
    ForcedCash,
    OnConflict,
    PolicyFields,
    ReturnsOf,
    Rounding,
    ViewModel,
)
from optimizer.model.policies.text_limits import parse_limit
from optimizer.model.ranges import Range, check_rate, checked_number

PERCENT_MEANT = 10.0  # ten times NAV, or 1000% a year
MOST_AVERSE = 1e9  # and the most that a size may be: beyond, squares and sums of numbers overflow
MOST_MONEY = 1e15
SHORTEST = 1e-6  # years: half a minute
COSTS = (
    "commission", "impact_bps", "commission_per_share", "buy_tax_bps", "sell_tax_bps", "root_impact",
    "min_trade_value",
)  # fmt: skip
BESIDE = ("beta_limits", "factor_limits ", "active_factor_limits ")  # no share of the NAV
WORDS = {
    "view_model": get_args(ViewModel), "returns": get_args(ReturnsOf), "rounding": get_args(Rounding),
    "mean_doubt_shape": get_args(DoubtShape), "on_conflict": get_args(OnConflict),
    "forced_cash": get_args(ForcedCash),
}  # fmt: skip


def check_numbers(policy: PolicyFields) -> None:
    """Raises PolicyError where a field that is a number, a text, or true or false holds something else."""
    for item in fields(policy):
        value = getattr(policy, item.name)
        if item.type is bool and not isinstance(value, bool):
            raise PolicyError(f"{item.name} is {value!r}; it must be True or False")
        if item.type is str and not isinstance(value, str):
            raise PolicyError(f"{item.name} is {value!r}; it must be a name, a text")
        if item.type in (int, float) or (item.type == (float | None) and value is not None):
            checked_number(item.name, value)


def check_no_shorts(policy: PolicyFields) -> None:
    """Raises PolicyError for a limit below 0 that a long-only book makes void: on a name, or all that a group has."""
    bounds = [
        ("min_weight", policy.min_weight),
        ("max_weight", policy.max_weight),
        ("max_sector", policy.max_sector),
    ]
    bounds += [(f"asset_limits of {name}", end) for name, pair in policy.asset_limits.items() for end in pair]
    groups = {f"sector_limits of {name}": pair for name, pair in policy.sector_limits.items()}
    groups |= {"net_limits": policy.net_limits} if policy.net_limits else {}
    # A group's least below 0 says nothing beside a most, and is what some write for none.
    bounds += [(name, low if high is None else high) for name, (low, high) in groups.items()]
    for name, low in bounds:
        if low is not None and low < 0:
            raise PolicyError(
                f"{name}: {told(low)} is below 0 and the policy is long-only, which forbids short positions; "
                f"write at least 0, or set long_only to False"
            )


def check_limits(policy: PolicyFields) -> None:
    """Raises PolicyError where a limit is not finite, negative where it cannot be, or crosses its partner."""
    ranges = {
        "weight": (policy.min_weight, policy.max_weight),
        "cash": (policy.cash_min, policy.cash_max),
        "net_limits": policy.net_limits or (None, None),
        "beta_limits": policy.beta_limits or (None, None),
        **{f"factor_limits of {name}": pair for name, pair in policy.factor_limits.items()},
        **{f"active_factor_limits of {name}": pair for name, pair in policy.active_factor_limits.items()},
        **{f"risk_share_limits of {name}": pair for name, pair in policy.risk_share_limits.items()},
        **{f"asset_limits of {name}": pair for name, pair in policy.asset_limits.items()},
        **{f"sector_limits of {name}": pair for name, pair in policy.sector_limits.items()},
        **{
            f"exposure {kind.name}": (policy.min_exposures.get(kind), policy.max_exposures.get(kind))
            for kind in {*policy.min_exposures, *policy.max_exposures}
        },
    }
    for name, (low, high) in ranges.items():
        # a loading may be a market value
        largest = MOST_MONEY if name.startswith(BESIDE[1:]) else MOST_AVERSE
        for bound in (low, high):
            if bound is not None and not abs(bound) <= largest:
                said = "out of all bounds" if isfinite(bound) else "not a number"
                raise PolicyError(f"{name}: {bound} is {said}; leave a limit out to have none")
        if low is not None and high is not None and low > high:
            plain = name.startswith(BESIDE)
            least, most = (f"{end:g}" if plain else told(end) for end in (low, high))
            raise PolicyError(f"{name}: the minimum {least} is above the maximum {most}; swap or widen them")
    total = sum(policy.exposure_budgets.values())
    if policy.exposure_budgets and not (
        abs(total - 1.0) <= 1e-9 and min(policy.exposure_budgets.values()) >= 0
    ):
        raise PolicyError(f"exposure_budgets sum to {told(total)}; they must be shares >= 0 that sum to 100%")
    check_fractions(policy, ranges)
    check_beliefs(policy)
    check_holdings(policy)
    check_costs(policy)
    for line in policy.limits:
        parse_limit(line)
    check_budgets(policy.risk_budgets)
    check_concentration(policy)
    check_short_book(policy)
    check_sizes(policy)
    check_rest(policy)


def check_rest(policy: PolicyFields) -> None:
    """Raises PolicyError where a number is none, is below 0 as no cost is, or no risk aversion or score can be."""
    for item in fields(policy):
        value = getattr(policy, item.name)
        if item.type in (int, float, float | None) and value is not None and not isfinite(value):
            raise PolicyError(
                f"{item.name}: {value} is not a number; leave a setting out to have its default"
            )
    for name in COSTS:
        if not 0 <= getattr(policy, name) <= MOST_MONEY:
            raise PolicyError(
                f"{name} is {getattr(policy, name)}; it must be a number >= 0, and at most {MOST_MONEY:g}"
            )
    if not 0 < policy.risk_aversion <= MOST_AVERSE:
        raise PolicyError(
            f"risk_aversion is {policy.risk_aversion}; it must be above 0 and at most {MOST_AVERSE:g}, customary is 2.5"
        )
    if policy.lookback_days < 2:
        raise PolicyError(f"lookback_days is {policy.lookback_days}; it must be a number of days, e.g. 252")
    if policy.min_quality_score is not None and not 0 <= policy.min_quality_score <= 10:
        raise PolicyError(
            f"min_quality_score is {policy.min_quality_score}; a score is a number from 0 to 10"
        )


def check_beliefs(policy: PolicyFields) -> None:
    """Raises PolicyError for a word that a setting does not know, or a number of beliefs and tails out of its range."""
    for name, known in WORDS.items():
        check_one_of(name, getattr(policy, name), known)
    if not 0 <= policy.mean_doubt <= MOST_AVERSE:
        raise PolicyError(
            f"mean_doubt is {policy.mean_doubt}; it must be a number of standard errors >= 0, e.g. 1"
        )
    if not 0.0 < policy.tail_level < 1.0:
        raise PolicyError(
            f"tail_level is {policy.tail_level}; it must lie between 0 and 1: 0.95 for the worst 5%"
        )
    if not policy.return_threshold > -1.0 or not isfinite(policy.return_threshold):
        raise PolicyError(
            f"return_threshold is {policy.return_threshold}; it must be a fraction per year, 0.02"
        )


def check_holdings(policy: PolicyFields) -> None:
    """Raises PolicyError for a least position, a number of names or a band that cannot be."""
    least, most = policy.min_position, policy.max_holdings
    if least is not None and not 0 <= least <= 1:
        raise PolicyError(
            f"min_position is {least}; it must be a fraction of NAV between 0 and 1 (0.02 for 2%)"
        )
    if (
        least
        and policy.max_weight is not None
        and least > policy.max_weight
        and not yields(policy, "max_weight")
    ):
        raise PolicyError(
            f"min_position {told(least)} is above max_weight {told(policy.max_weight)}; lower it, or raise the cap"
        )
    if most is not None and (isinstance(most, bool) or not isinstance(most, int | np.integer) or most < 1):
        raise PolicyError(f"max_holdings is {most!r}; it must be a whole number of names, at least 1")
    band = policy.no_trade_band
    if band is not None and not 0 <= band < 1:
        raise PolicyError(f"no_trade_band is {band}; it must be a fraction of NAV in [0, 1) (0.01 for 1%)")
    check_least_sizes(policy)


def check_least_sizes(policy: PolicyFields) -> None:
    """Raises PolicyError where a name may not be as much as the least position, or trade as much as the band asks."""
    least, band = policy.min_position or 0.0, policy.no_trade_band or 0.0
    ends: dict[str, Range] = {} if yields(policy, "min_weight") else {"min_weight": (policy.min_weight, None)}
    ends |= {
        f"asset_limits of {symbol}": pair
        for symbol, pair in policy.asset_limits.items()
        if not yields(policy, "asset_limits", symbol)
    }
    for name, (low, high) in ends.items():
        for side, most in (("long", high), ("short", None if low is None else -low)):
            if most is not None and 0 < most < least:
                raise PolicyError(
                    f"{name}: at most {told(most)} {side} is less than min_position {told(least)}, so that nothing of "
                    f"it can be held {side}; raise it, lower min_position, or write 0 to close it"
                )
    trades = {"max_trade": policy.max_trade}
    trades |= {f"trade_limits of {symbol}": most for symbol, most in policy.trade_limits.items()}
    for name, most in trades.items():
        if most is not None and 0 < most < band:
            raise PolicyError(
                f"{name}: {told(most)} is less than no_trade_band {told(band)}, so that no trade is large enough; "
                f"raise it, lower the band, or write 0 for no trade"
            )


def yields(policy: PolicyFields, *words: str) -> bool:
    """Whether a limit on weights has a priority by which it may give way: of its field, or of a name."""
    return any(level and not {*key.split()}.isdisjoint(words) for key, level in policy.priorities.items())


def told(share: float) -> str:
    """A fraction as every reader reads it, whose file has percent and whose library has fractions."""
    return f"{100 * share:.6g}%"


def check_costs(policy: PolicyFields) -> None:
    """Raises PolicyError for years of costs that are none, or that a horizon contradicts."""
    years = policy.cost_horizon_years
    if years is not None and not (isfinite(years) and years >= SHORTEST):
        raise PolicyError(
            f"cost_horizon_years is {years}; it must be a number of years above 0, at least {SHORTEST:g} (1 for a year)"
        )
    if policy.horizon is not None and years is not None:
        raise PolicyError(
            "horizon pays each step's trades within step_days, and cost_horizon_years says otherwise; drop one of them"
        )
    check_participation(policy)


def check_sizes(policy: PolicyFields) -> None:
    """Raises PolicyError for a bound on the size of something that is below 0 or no number."""
    trades = {f"trade_limits of {symbol}": most for symbol, most in policy.trade_limits.items()}
    plain = (
        "max_turnover", "max_notional", "max_gross", "max_margin", "max_trade", "max_risk_share", "l2_penalty",
        "wasserstein_radius",
    )  # fmt: skip
    for name, bound in {**{name: getattr(policy, name) for name in plain}, **trades}.items():
        if bound is not None and not 0 <= bound <= MOST_AVERSE:
            raise PolicyError(f"{name} is {bound}; it must be a fraction >= 0, and at most {MOST_AVERSE:g}")
    for name in ("max_tracking_error", "max_volatility", "target_volatility"):
        bound = getattr(policy, name)
        if bound is not None and not (isfinite(bound) and bound > 0):
            raise PolicyError(f"{name} is {bound}; it must be a fraction per year above 0 (0.02 for 2%)")


def check_short_book(policy: PolicyFields) -> None:
    """Raises PolicyError where a borrow fee or a margin is no fraction >= 0, or has no part in the book."""
    fees = {"borrow_fee": policy.borrow_fee}
    fees |= {f"borrow_fees of {symbol}": fee for symbol, fee in policy.borrow_fees.items()}
    rates = {"long_margin": policy.long_margin, "short_margin": policy.short_margin}
    for symbol, pair in policy.margins.items():
        rates |= {f"margins of {symbol}": rate for rate in pair if rate is not None}
    for name, value in {**fees, **rates}.items():
        if not (isfinite(value) and 0 <= value <= PERCENT_MEANT):
            raise PolicyError(f"{name} is {value}; it must be a fraction >= 0: write 0.03 for 3%")
    if policy.long_only and (policy.borrow_fee or policy.borrow_fees):
        raise PolicyError(
            "borrow fees are paid on short positions and the policy is long-only, which forbids them; leave the fees "
            "out, or set long_only to False"
        )
    if policy.margins and policy.max_margin is None:
        raise PolicyError("margins say what positions need and max_margin what there may be of it; give both")


def check_participation(policy: PolicyFields) -> None:
    """Raises PolicyError for a share of the daily volume that is none, or one of a name without one of all."""
    shares = {
        f"participation_limits of {symbol}": most for symbol, most in policy.participation_limits.items()
    }
    for name, share in {"max_participation": policy.max_participation, **shares}.items():
        if share is not None and not 0 < share <= 1:
            raise PolicyError(
                f"{name} is {share}; it must be a share of the daily volume in (0, 1]: 0.1 for 10%"
            )
    if shares and policy.max_participation is None:
        raise PolicyError(
            "participation_limits need max_participation, which the other names keep; set it too"
        )


def check_concentration(policy: PolicyFields) -> None:
    """Raises PolicyError where a limit on the largest weights is no fraction above 0, or cannot be kept."""
    for count, most in policy.largest_limits.items():
        if not (isfinite(most) and 0 < most <= PERCENT_MEANT):
            raise PolicyError(
                f"largest_limits of {count} is {most}; it must be a fraction above 0 (0.4 for 40%)"
            )
    if policy.large_holdings is None:
        return
    threshold, most = policy.large_holdings
    if threshold is None or most is None or not (0 < threshold <= 1 and threshold <= most <= PERCENT_MEANT):
        told = " and ".join("nothing" if end is None else f"{100 * end:g}%" for end in policy.large_holdings)
        raise PolicyError(
            f"large_holdings is {told}; the first is a weight above 0% and at most 100%, the "
            f"second what larger weights may be together, at least the first: 5% and 40% in the 5/10/40 rule"
        )
    if not policy.long_only:
        raise PolicyError("large_holdings are for long-only books; set long_only, or use largest_limits")


def check_budgets(budgets: Mapping[str, float]) -> None:
    """Raises PolicyError where a share of the risk is not a number >= 0, or the shares do not sum to 1."""
    for name, share in budgets.items():
        if not (isfinite(share) and share >= 0):
            raise PolicyError(f"risk_budgets: the share of {name} is {share}; it must be a fraction >= 0")
    total = sum(budgets.values())
    if budgets and abs(total - 1.0) > 1e-6:
        raise PolicyError(
            f"risk_budgets sum to {told(total)}; shares of the risk must sum to 100%"
            + (f": divide each by {total:g}" if total else "")
        )


def check_fractions(policy: PolicyFields, ranges: Mapping[str, tuple[float | None, float | None]]) -> None:
    """Raises PolicyError for a limit or rate so large that it must be a percentage."""
    single = (
        "max_sector",
        "max_turnover",
        "max_tracking_error",
        "max_volatility",
        "target_volatility",
        "min_return",
    )
    bounds = {
        name: getattr(policy, name)
        for name in (*single, "max_notional", "max_gross", "max_margin", "max_risk_share")
    }
    spread = {name: pair for name, pair in ranges.items() if not name.startswith((*BESIDE, "exposure "))}
    for name, values in {**{name: (bound,) for name, bound in bounds.items()}, **spread}.items():
        for value in values:
            if value is not None and abs(value) > PERCENT_MEANT:
                raise PolicyError(
                    f"{name}: {value:g} is {value:.0%}; a fraction is expected: write {value / 100:g} for {value:g}%"
                )
    if policy.risk_free_rate is not None:
        check_rate("risk_free_rate", policy.risk_free_rate)
