"""What the desk wants and forbids, parsed once; every number is a fraction, every rate per year."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Literal, get_args

from optimizer.errors import PolicyError
from optimizer.model.exposures import ExposureType
from optimizer.model.policies.horizon import Horizon, horizon_of
from optimizer.model.ranges import (
    Range,
    checked_exposures,
    checked_largest,
    checked_lines,
    checked_number,
    checked_priorities,
    checked_range,
    checked_ranges,
    checked_reasons,
    checked_shares,
)
from optimizer.model.text_limits import parse_limit

PERCENT_MEANT = 10.0  # ten times NAV, or 1000% a year

OnConflict = Literal["fail", "transition"]
ForcedCash = Literal["fail", "hold"]
ViewModel = Literal["black_litterman", "entropy_pooling"]
DoubtShape = Literal["diagonal", "full"]
ReturnsOf = Literal["posterior", "factor_premia", "own_alpha"]
Rounding = Literal["tracking_error", "money"]

RANGED = ("asset", "sector", "factor", "active_factor", "risk_share")

DOUBT_SHAPES: tuple[str, ...] = get_args(DoubtShape)


@dataclass(frozen=True)
class BlackLittermanSettings:
    """How the equilibrium and the views become a posterior (He & Litterman 1999; Idzorek 2005).

    delta       the market's risk aversion in pi = delta S w; "implied" = the one that the estimated means imply
    tau         weight of the prior's uncertainty
    confidence  "idzorek": 0 = no effect, 1 = the view holds exactly; "he_litterman": omega = tau p'Sp / c
    covariance  "posterior" = S + M, "sigma" = S

    >>> BlackLittermanSettings(delta='implied').tau
    0.05
    """

    delta: float | Literal["implied"] = 2.5
    tau: float = 0.05
    confidence: Literal["idzorek", "he_litterman"] = "idzorek"
    covariance: Literal["posterior", "sigma"] = "posterior"


@dataclass(frozen=True)
class Policy:
    """A portfolio's method, limits, costs and estimation settings; an absent limit is no limit.

    All weights, limits and rates are fractions (0.15), rates per year; `max_turnover` is one-way (half of the
    traded value / NAV); `risk_free_rate` None means "the pack's", and must be filled in before a solve.
    `exposure_budgets` type -> share of the variance for exposure_risk_parity, summing to 1; none are equal ones.
    `mean_doubt` kappa makes mean_variance, max_sharpe, max_return and target_volatility count with the worst mean
    within kappa standard errors of the estimate, each name's error by itself ("diagonal") or correlated ("full").
    `tail_level` is the confidence of cvar, cdar and evar: 0.95 looks at the worst 5%; `return_threshold`, per year, is
    what the lower partial moments count shortfalls from.
    `wasserstein_radius`, a return per period, is how far robust_cvar lets the true distribution be from the scenarios.
    `max_gross` bounds sum |w|, `net_limits` sum w, `beta_limits` the beta against the benchmark, `factor_limits` the
    sum of loading x w, `active_factor_limits` that of w less the benchmark's; `limits` are lines of text
    ("Equity <= 0.6", docs/how-to/limits.md). `risk_budgets` symbol -> share of the variance for method risk_parity,
    summing to 1.
    `max_risk_share` bounds each name's share of the variance, w_i (Sw)_i / w'Sw; `risk_share_limits` that of a name, a
    sector, a factor, a group of factors, "factors" or "specific", by the names that lines of text have.
    `returns`: weights are chosen by the whole posterior, by what factors explain of it ("factor_premia"), or by what
    they do not ("own_alpha"); the latter two need a factor model.
    `min_position`: a weight is 0 or at least this; `max_holdings`: the most names with a weight.
    `largest_limits` {10: 0.4}: the ten largest weights, in size, are at most this together; `large_holdings` (0.05,
    0.4): weights above the first number are at most the second together, the 5/10/40 rule with max_weight 0.1.
    `do_not_buy`, `do_not_sell`, `do_not_trade`: symbol -> the reason, or symbols alone; `max_trade` bounds the change
    of every name's weight, `trade_limits` that of one. These hold before all limits on weights.
    `l2_penalty` k takes k x sum of squared weights off the utility, per year.
    `borrow_fee` is what a name sold short costs per year and unit of weight, `borrow_fees` that of one. Expected
    returns of mean_variance, max_sharpe, max_return and target_volatility are after it; backtests pay it whatever the
    method.
    `max_margin` bounds what a broker asks for, as a fraction of NAV: `long_margin` x sum of the long weights +
    `short_margin` x that of the short ones (0.5 each are the initial margins of Regulation T); `margins` symbol ->
    (long, short) replace these, None where the general one holds.
    `no_trade_band`: a name keeps its current weight, is closed, or changes by at least this.
    `rounding` says what whole lots are to be near to the target in: "tracking_error", or "money", the sum of |money
    wanted - money held|.
    `max_participation`: the share of a name's average daily volume that its order may be in a day,
    `participation_limits` that of one; orders of more days are cut into a schedule, and no weight changes for it.
    `cost_horizon_years`: trading costs join the objective, divided by this many years, because a trade is paid once and
    the return is per year; None leaves them out. Only the linear and 3/2-power costs, not the commission.
    `horizon`: several steps are planned and the first is traded; each step's trades are paid for by that step, so that
    cost_horizon_years is left out.
    `root_impact`: y in the cost y x daily volatility x value x sqrt(value / daily volume) of a trade, near 1.
    `priorities` limit -> 0 to 9: where limits cannot all hold, those of 9 give way first, of 1 last and of 0, as of
    those not named, never. A key is a field ("max_turnover"), a limit as messages name it ("max_sector Energy") or a
    line of `limits`.
    `forced_cash` "hold": where the other limits do not let everything be invested, cash_max gives way by the
    least that will do. An end of a range that is None is open; exposure types may be given by their names.
    Raises PolicyError for a limit that is not finite, crosses its partner, or that another setting makes void.

    >>> Policy(method='cvar', max_weight=0.4).tail_level
    0.95
    """

    method: str = "mean_variance"
    risk_aversion: float = 2.5
    risk_free_rate: float | None = None
    target_volatility: float | None = None
    exposure_budgets: Mapping[ExposureType, float] = field(default_factory=dict)
    mean_doubt: float = 0.0
    mean_doubt_shape: DoubtShape = "diagonal"
    tail_level: float = 0.95
    return_threshold: float = 0.0
    wasserstein_radius: float = 0.001
    l2_penalty: float = 0.0
    borrow_fee: float = 0.0
    borrow_fees: Mapping[str, float] = field(default_factory=dict)

    lookback_days: int = 252
    mean_method: str = "historical"
    covariance_method: str = "ledoit_wolf"
    view_model: ViewModel = "black_litterman"
    returns: ReturnsOf = "posterior"
    black_litterman: BlackLittermanSettings = field(default_factory=BlackLittermanSettings)

    min_quality_score: float | None = None
    long_only: bool = True
    min_weight: float | None = None
    max_weight: float | None = None
    asset_limits: Mapping[str, Range] = field(default_factory=dict)
    max_sector: float | None = None
    sector_limits: Mapping[str, Range] = field(default_factory=dict)
    min_exposures: Mapping[ExposureType, float] = field(default_factory=dict)
    max_exposures: Mapping[ExposureType, float] = field(default_factory=dict)
    max_notional: float | None = None
    max_gross: float | None = None
    max_margin: float | None = None
    long_margin: float = 0.5
    short_margin: float = 0.5
    margins: Mapping[str, Range] = field(default_factory=dict)
    net_limits: Range | None = None
    beta_limits: Range | None = None
    factor_limits: Mapping[str, Range] = field(default_factory=dict)
    active_factor_limits: Mapping[str, Range] = field(default_factory=dict)
    max_risk_share: float | None = None
    risk_share_limits: Mapping[str, Range] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    risk_budgets: Mapping[str, float] = field(default_factory=dict)
    min_position: float | None = None
    max_holdings: int | None = None
    no_trade_band: float | None = None
    largest_limits: Mapping[int, float] = field(default_factory=dict)
    large_holdings: tuple[float, float] | None = None
    do_not_buy: Mapping[str, str] = field(default_factory=dict)
    do_not_sell: Mapping[str, str] = field(default_factory=dict)
    do_not_trade: Mapping[str, str] = field(default_factory=dict)
    max_trade: float | None = None
    trade_limits: Mapping[str, float] = field(default_factory=dict)
    cash_min: float = 0.0
    cash_max: float = 0.0
    max_turnover: float | None = None
    max_tracking_error: float | None = None
    max_volatility: float | None = None
    min_return: float | None = None

    commission: float = 5.0
    impact_bps: float = 15.0
    commission_per_share: float = 0.0
    buy_tax_bps: float = 0.0
    sell_tax_bps: float = 0.0
    root_impact: float = 0.0
    min_trade_value: float = 0.0
    rounding: Rounding = "tracking_error"
    max_participation: float | None = None
    participation_limits: Mapping[str, float] = field(default_factory=dict)
    cost_horizon_years: float | None = None
    horizon: Horizon | None = None
    on_conflict: OnConflict = "fail"
    forced_cash: ForcedCash = "fail"
    priorities: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, taken in (
            *((f"{kind}_limits", checked_ranges) for kind in RANGED),
            *((name, checked_exposures) for name in ("min_exposures", "max_exposures", "exposure_budgets")),
            *(
                (name, checked_shares)
                for name in ("risk_budgets", "trade_limits", "borrow_fees", "participation_limits")
            ),
            ("margins", checked_ranges),
            ("largest_limits", checked_largest),
            *((f"do_not_{verb}", checked_reasons) for verb in ("buy", "sell", "trade")),
        ):
            object.__setattr__(self, name, taken(name, getattr(self, name)))
        for name in ("net_limits", "beta_limits", "large_holdings"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, checked_range(name, getattr(self, name)))
        object.__setattr__(self, "limits", checked_lines(self.limits))
        object.__setattr__(self, "black_litterman", black_litterman_of(self.black_litterman))
        object.__setattr__(self, "horizon", horizon_of(self.horizon))
        object.__setattr__(self, "priorities", checked_priorities(self.priorities, self.limits))
        check_numbers(self)
        check_limits(self)
        if self.long_only:
            check_no_shorts(self)


def black_litterman_of(given: object) -> BlackLittermanSettings:
    """The settings, also from a mapping of some of them; raises PolicyError for anything else."""
    if isinstance(given, BlackLittermanSettings):
        return given
    known = [item.name for item in fields(BlackLittermanSettings)]
    if not isinstance(given, Mapping) or not set(given) <= set(known):
        raise PolicyError(
            f"black_litterman is {given!r}; it must be BlackLittermanSettings, or some of {known}"
        )
    return BlackLittermanSettings(**given)


def check_numbers(policy: Policy) -> None:
    """Raises PolicyError where a field that is a number holds something else."""
    for item in fields(policy):
        value = getattr(policy, item.name)
        if item.type in (int, float) or (item.type == (float | None) and value is not None):
            checked_number(item.name, value)


def check_no_shorts(policy: Policy) -> None:
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
                f"{name}: {low:g} is below 0 and the policy is long-only, which forbids short positions; "
                f"write at least 0, or set long_only to False"
            )


def check_limits(policy: Policy) -> None:
    """Raises PolicyError where a limit is not finite, negative where it cannot be, or crosses its partner."""
    ranges = {
        "weight": (policy.min_weight, policy.max_weight),
        "cash": (policy.cash_min, policy.cash_max),
        "net_limits": policy.net_limits or (None, None),
        "beta_limits": policy.beta_limits or (None, None),
        **{f"factor {name}": pair for name, pair in policy.factor_limits.items()},
        **{f"active_factor {name}": pair for name, pair in policy.active_factor_limits.items()},
        **{f"risk_share {name}": pair for name, pair in policy.risk_share_limits.items()},
        **{f"limits of {name}": pair for name, pair in policy.asset_limits.items()},
        **{f"sector {name}": pair for name, pair in policy.sector_limits.items()},
        **{
            f"exposure {kind.name}": (policy.min_exposures.get(kind), policy.max_exposures.get(kind))
            for kind in {*policy.min_exposures, *policy.max_exposures}
        },
    }
    for name, (low, high) in ranges.items():
        for bound in (low, high):
            if bound is not None and not isfinite(bound):
                raise PolicyError(f"{name}: {bound} is not a number; leave a limit out to have none")
        if low is not None and high is not None and low > high:
            raise PolicyError(
                f"{name}: the minimum {low:g} is above the maximum {high:g}; swap or widen them"
            )
    total = sum(policy.exposure_budgets.values())
    if policy.exposure_budgets and not (
        abs(total - 1.0) <= 1e-9 and min(policy.exposure_budgets.values()) >= 0
    ):
        raise PolicyError(f"exposure_budgets sum to {total:g}; they must be shares >= 0 that sum to 1")
    check_fractions(policy, ranges)
    if not (isfinite(policy.mean_doubt) and policy.mean_doubt >= 0):
        raise PolicyError(
            f"mean_doubt is {policy.mean_doubt}; it must be a number of standard errors >= 0, e.g. 1"
        )
    if policy.view_model not in get_args(ViewModel):
        raise PolicyError(f"view_model is {policy.view_model!r}; use one of {', '.join(get_args(ViewModel))}")
    if policy.returns not in get_args(ReturnsOf):
        raise PolicyError(f"returns is {policy.returns!r}; use one of {', '.join(get_args(ReturnsOf))}")
    if policy.rounding not in get_args(Rounding):
        raise PolicyError(f"rounding is {policy.rounding!r}; use one of {', '.join(get_args(Rounding))}")
    if policy.mean_doubt_shape not in DOUBT_SHAPES:
        raise PolicyError(
            f"mean_doubt_shape is {policy.mean_doubt_shape!r}; use one of {', '.join(DOUBT_SHAPES)}"
        )
    if not 0.0 < policy.tail_level < 1.0:
        raise PolicyError(
            f"tail_level is {policy.tail_level}; it must lie between 0 and 1: 0.95 for the worst 5%"
        )
    if not policy.return_threshold > -1.0 or not isfinite(policy.return_threshold):
        raise PolicyError(
            f"return_threshold is {policy.return_threshold}; it must be a fraction per year, 0.02"
        )
    least, most = policy.min_position, policy.max_holdings
    if least is not None and not 0 <= least <= 1:
        raise PolicyError(
            f"min_position is {least}; it must be a fraction of NAV between 0 and 1 (0.02 for 2%)"
        )
    if least and policy.max_weight is not None and least > policy.max_weight:
        raise PolicyError(
            f"min_position {least:g} is above max_weight {policy.max_weight:g}; lower it, or raise the cap"
        )
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise PolicyError(f"max_holdings is {most!r}; it must be a whole number of names, at least 1")
    band = policy.no_trade_band
    if band is not None and not 0 <= band < 1:
        raise PolicyError(f"no_trade_band is {band}; it must be a fraction of NAV in [0, 1) (0.01 for 1%)")
    years = policy.cost_horizon_years
    if years is not None and not (isfinite(years) and years > 0):
        raise PolicyError(
            f"cost_horizon_years is {years}; it must be a number of years above 0 (1 for a year)"
        )
    if policy.horizon is not None and years is not None:
        raise PolicyError(
            "horizon pays each step's trades within step_days, and cost_horizon_years says otherwise; drop one of them"
        )
    check_participation(policy)
    for line in policy.limits:
        parse_limit(line)
    check_budgets(policy.risk_budgets)
    check_concentration(policy)
    check_short_book(policy)
    trades = {f"trade_limits of {symbol}": most for symbol, most in policy.trade_limits.items()}
    plain = (
        "max_turnover", "max_notional", "max_gross", "max_margin", "max_trade", "max_risk_share", "l2_penalty",
        "wasserstein_radius",
    )  # fmt: skip
    for name, bound in {**{name: getattr(policy, name) for name in plain}, **trades}.items():
        if bound is not None and not (isfinite(bound) and bound >= 0):
            raise PolicyError(f"{name} is {bound}; it must be a fraction >= 0")
    for name in ("max_tracking_error", "max_volatility", "target_volatility"):
        bound = getattr(policy, name)
        if bound is not None and not (isfinite(bound) and bound > 0):
            raise PolicyError(f"{name} is {bound}; it must be a fraction per year above 0 (0.02 for 2%)")


def check_short_book(policy: Policy) -> None:
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


def check_participation(policy: Policy) -> None:
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


def check_concentration(policy: Policy) -> None:
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
        raise PolicyError(
            f"large_holdings is {policy.large_holdings}; it must be a threshold in (0, 1] and what larger weights may "
            f"be together, at least the threshold: (0.05, 0.4)"
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
            f"risk_budgets sum to {total:g}; shares of the risk must sum to 1: divide each by {total:g}"
        )


def check_fractions(policy: Policy, ranges: Mapping[str, tuple[float | None, float | None]]) -> None:
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
    beside = ("beta_limits", "factor ", "active_factor ", "exposure ")
    spread = {name: pair for name, pair in ranges.items() if not name.startswith(beside)}
    for name, values in {**{name: (bound,) for name, bound in bounds.items()}, **spread}.items():
        for value in values:
            if value is not None and abs(value) > PERCENT_MEANT:
                raise PolicyError(
                    f"{name}: {value:g} is {value:.0%}; a fraction is expected: write {value / 100:g} for {value:g}%"
                )
    rate = policy.risk_free_rate
    if rate is not None and not (isfinite(rate) and abs(rate) < 1):
        raise PolicyError(f"risk_free_rate is {rate}; it must be a fraction per year: write 0.045 for 4.5%")
