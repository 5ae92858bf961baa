"""What the desk wants and forbids, parsed once; every number is a fraction, every rate per year."""

from dataclasses import dataclass

from optimizer.model.policies.checks import check_limits, check_no_shorts, check_numbers
from optimizer.model.policies.fields import PolicyFields, black_litterman_of
from optimizer.model.policies.horizon import horizon_of
from optimizer.model.ranges import (
    checked_exposures,
    checked_largest,
    checked_lines,
    checked_priorities,
    checked_range,
    checked_ranges,
    checked_reasons,
    checked_shares,
)

RANGED = ("asset", "sector", "factor", "active_factor", "risk_share")


@dataclass(frozen=True)
class Policy(PolicyFields):
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
    `l2_penalty` k takes k x sum of squared weights off the expected return, per year, as risk is.
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
