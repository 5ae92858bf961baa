"""Whether a portfolio trades today: drift bands, calendar, cool-down and cash, decided before anything is solved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from math import inf, isfinite
from typing import Any, Literal, get_args

from optimizer.errors import PolicyError, one_of
from optimizer.model.policy import Policy

Period = Literal["weekly", "monthly", "quarterly", "yearly"]
Kind = Literal["no_trade", "rebalance", "raise_cash", "invest_cash"]
PERIODS: tuple[str, ...] = get_args(Period)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
REMNANT = 5e-4  # of NAV
TINY = 1e-12  # a drift of exactly its band is inside


@dataclass(frozen=True)
class CashRange:
    """How much cash is kept, fractions of NAV: outside least..most it is brought to `target`."""

    least: float = 0.0
    target: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        known = [value for value in (self.least, self.target, self.most) if value is not None]
        if not all(isfinite(value) for value in known) or known != sorted(known):
            raise PolicyError(
                f"rebalance.cash is {known}: least, target and most must be numbers, each at least the one before"
            )


@dataclass(frozen=True)
class RebalanceRules:
    """When a portfolio trades; a rule that is None does not count. Bands are fractions.

    drift           of a name's weight from its target, of NAV
    relative_drift  of a name's weight from its target, of the target; a name without one of 5 bps or more is out
    total_drift     half of all drifts together, as turnover is counted
    calendar        a period, on whose first day alone drift is looked at, or weekdays
    cool_down_days  days after a trade without another
    cash            outside its range cash is raised or invested, whatever calendar and cool-down say
    do_not_trade    why the portfolio must not trade at all
    """

    drift: float | None = None
    relative_drift: float | None = None
    total_drift: float | None = None
    calendar: Period | tuple[str, ...] | None = None
    cool_down_days: int = 0
    cash: CashRange | None = None
    do_not_trade: str | None = None

    def __post_init__(self) -> None:
        for name in ("drift", "relative_drift", "total_drift"):
            band = getattr(self, name)
            if band is not None and not (isfinite(band) and band >= 0):
                raise PolicyError(f"rebalance: {name} is {band}; a band is a number of 0 or more")
        days = (self.calendar,) if isinstance(self.calendar, str) else self.calendar or ()
        known = PERIODS if isinstance(self.calendar, str) else WEEKDAYS
        if wrong := [day for day in days if day not in known]:
            raise PolicyError(
                f"rebalance: calendar {wrong} does not exist; {one_of(str(wrong[0]), (*PERIODS, *WEEKDAYS))}"
            )
        if self.calendar is not None and not days:
            raise PolicyError(
                "rebalance: calendar names no day, so that nothing would ever trade; name one, or leave it out"
            )
        if self.cool_down_days < 0:
            raise PolicyError(f"rebalance: cool_down_days is {self.cool_down_days}; it must be 0 or more")

    @property
    def has_bands(self) -> bool:
        """Whether drift counts."""
        return (self.drift, self.relative_drift, self.total_drift) != (None, None, None)


@dataclass(frozen=True)
class Standing:
    """What rules are held against, as known on the day before.

    target      symbol -> the target weight of the newest earlier day that had any, fraction of NAV
    previous    the day before on which was looked;  last_trade  the newest day with an order
    """

    target: Mapping[str, float] = field(default_factory=dict)
    previous: date | None = None
    last_trade: date | None = None

    def as_json(self) -> dict[str, object]:
        """The same as JSON values."""
        days = {"previous": self.previous, "last_trade": self.last_trade}
        return {
            "target": dict(self.target),
            **{key: day.isoformat() if day else None for key, day in days.items()},
        }

    @classmethod
    def of_json(cls, row: Mapping[str, Any]) -> "Standing":
        """The standing that `as_json` tells."""
        days = (row["previous"], row["last_trade"])
        return cls(dict(row["target"]), *(date.fromisoformat(day) if day else None for day in days))


@dataclass(frozen=True)
class Decision:
    """What the rules say of a day, and why, in a sentence.

    raise_cash and invest_cash are trades in one direction; a rebalance is one in both.
    """

    kind: Kind
    sentence: str
    cash: CashRange | None = None

    @property
    def trades(self) -> bool:
        """Whether there is anything to solve."""
        return self.kind != "no_trade"

    def under(self, policy: Policy, symbols: Sequence[str]) -> Policy:
        """The policy of today's trade: cash at its target, and no buys while it is raised, no sells while invested."""
        if self.cash is not None:
            least = self.cash.least if self.cash.target is None else self.cash.target
            most = self.cash.most if self.cash.target is None else self.cash.target
            policy = replace(
                policy, cash_min=least, cash_max=max(least, policy.cash_max if most is None else most)
            )
        if self.kind == "raise_cash":
            return replace(
                policy, do_not_buy=dict.fromkeys(symbols, "cash is raised first") | dict(policy.do_not_buy)
            )
        if self.kind == "invest_cash":
            told = dict.fromkeys(symbols, "cash is invested first")
            return replace(policy, do_not_sell=told | dict(policy.do_not_sell))
        return policy


def decide(
    rules: RebalanceRules, standing: Standing, weights: Mapping[str, float], cash: float, day: date
) -> Decision:
    """Whether a portfolio trades on a day.

    weights  symbol -> weight now, cash -> its share; fractions of NAV
    Cash outside its range trades on any day. Else a cool-down, then the calendar may say no, and what drifted out of a
    band yes. Without bands a day of the calendar trades, or without a calendar every day, unless cash alone is watched.

    >>> decide(RebalanceRules(drift=0.02), Standing({'A': 0.5}), {'A': 0.508}, 0.492, date(2026, 1, 2)).sentence
    'no trade: drift 0.8% of 2%'
    """
    told, drifted = _drifts(rules, standing.target, weights)
    short, idle = _cash(rules.cash, cash)
    if rules.cash is not None:
        told.append(f"cash {_percent(cash)} of {_range(rules.cash)}")
    figures = ", ".join(told)

    def decided(kind: Kind, *why: str) -> Decision:
        said = ", ".join(filter(None, [*why, figures])) or "its rules ask for one"
        return Decision(kind, f"{'no trade' if kind == 'no_trade' else 'trade'}: {said}", rules.cash)

    if rules.do_not_trade is not None:
        return decided("no_trade", f"do not trade{': ' if rules.do_not_trade else ''}{rules.do_not_trade}")
    if not standing.target:
        return decided("rebalance", "no earlier target is on record")
    if (short or idle) and not drifted:
        return decided("raise_cash" if short else "invest_cash")
    if short or idle:
        return decided("rebalance")
    passed = None if standing.last_trade is None else (day - standing.last_trade).days
    if passed is not None and passed < rules.cool_down_days:
        return decided("no_trade", f"{passed} of {rules.cool_down_days} days since the last trade")
    if not _due(rules.calendar, standing.previous, day):
        return decided(
            "no_trade", f"{day:%A} {day} is not a day of its calendar ({_calendar(rules.calendar)})"
        )
    watched = rules.cash is not None and rules.calendar is None and not rules.cool_down_days
    if drifted or not (rules.has_bands or watched):
        return decided("rebalance")
    return decided("no_trade")


def _drifts(
    rules: RebalanceRules, target: Mapping[str, float], weights: Mapping[str, float]
) -> tuple[list[str], bool]:
    """What to say of each band, and whether one is left."""
    if not target:
        return [], False
    moved = {s: abs(weights.get(s, 0.0) - target.get(s, 0.0)) for s in sorted({*weights, *target})}
    shares = {s: _relative(away, target.get(s, 0.0)) for s, away in moved.items()}
    found = [
        ("drift", max(moved.values(), default=0.0), rules.drift),
        ("relative drift", max(shares.values(), default=0.0), rules.relative_drift),
        ("drift in all", sum(moved.values()) / 2, rules.total_drift),
    ]
    strange = next((s for s, share in shares.items() if share == inf), None)
    told = [
        f"{name} {_percent(most)} of {_percent(band)}" if most < inf
        else f"{name} beyond {_percent(band)}: {strange} has no target"
        for name, most, band in found if band is not None
    ]  # fmt: skip
    return told, any(band is not None and most > band + TINY for _, most, band in found)


def _relative(away: float, target: float) -> float:
    """The drift as a share of the target's size; of a name without a target, which belongs in no band, infinite.

    What is left of a name, too little to be sold, is no reason to trade all others day after day.
    """
    return away / abs(target) if target else inf if away > REMNANT else 0.0


def _cash(kept: CashRange | None, cash: float) -> tuple[bool, bool]:
    """Whether there is too little cash, or too much."""
    if kept is None:
        return False, False
    return cash < kept.least - TINY, kept.most is not None and cash > kept.most + TINY


def _due(calendar: Period | tuple[str, ...] | None, previous: date | None, day: date) -> bool:
    """Whether a day is one of the calendar: of a period the first on which is looked."""
    if calendar is None:
        return True
    if not isinstance(calendar, str):
        return WEEKDAYS[day.weekday()] in calendar
    return previous is None or _period(calendar, previous) != _period(calendar, day)


def _period(calendar: str, day: date) -> tuple[int, int]:
    year, week, _ = day.isocalendar()
    return {
        "weekly": (year, week), "monthly": (day.year, day.month), "quarterly": (day.year, (day.month - 1) // 3),
        "yearly": (day.year, 0),
    }[calendar]  # fmt: skip


def _calendar(calendar: Period | tuple[str, ...] | None) -> str:
    return calendar if isinstance(calendar, str) else ", ".join(calendar or ())


def _percent(fraction: float) -> str:
    return f"{_number(fraction)}%"


def _number(fraction: float) -> str:
    """Percent with as many digits as it takes, at most two."""
    return f"{100 * fraction:.2f}".rstrip("0").rstrip(".")


def _range(kept: CashRange) -> str:
    return (
        f"at least {_percent(kept.least)}"
        if kept.most is None
        else f"{_number(kept.least)}-{_percent(kept.most)}"
    )
