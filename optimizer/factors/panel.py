"""What a characteristics model is fitted on, and which factors these data allow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.factors.factor_model import MARKET, SECTOR, STYLE
from optimizer.model.alignment import named_columns
from optimizer.numerics.counted import floats
from optimizer.typing import Array

Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

YEAR, QUARTER, MONTH = 252, 63, 21  # sessions
MOST_RETURN = 1e4
STILL = 5e-4  # standard deviation of a session's return, 0.8% a year: cash, or a share that is not traded
CALM = 0.1  # and of that of the name that moves most: where all are calm, none stands still
MIN_SESSIONS = 63  # regressions at least, and returns before a name enters the estimation universe
NEEDS = {  # style -> sessions of returns before the first regression that its descriptor needs
    "size": 1,
    "nonlinear_size": 1,
    "momentum": YEAR,
    "short_term_reversal": MONTH,
    "beta": YEAR // 2,
    "residual_volatility": YEAR // 2,
    "liquidity": QUARTER,
}
NAMES_A_FACTOR = 2  # with fewer, variances come out many times too high
# The styles, those first that stay where names are few.
RANKED = (
    "beta", "size", "momentum", "residual_volatility", "liquidity", "short_term_reversal", "nonlinear_size",
)  # fmt: skip
LOGS = {"caps": "market_caps", "sectors": "securities", "traded": "prices (volume)"}


@typed
@dataclass(frozen=True, eq=False)
class FactorPanel:
    """n names over T sessions, every value as it was known at the close of its session.

    dates         (T,) ascending, in any comparable form
    returns       (T, n) simple total returns of the session; NaN = none
    caps          (T, n) market capitalisations in one currency, NaN = unknown; None = no data
    traded        (T, n) value traded, in the same currency; NaN = unknown; None = no data
    sectors       (T, n) or (n,) index into sector_names, -1 = unknown; None = no data
    scores        name -> (T, n) further characteristics, the higher the more of it; NaN = unknown
    estimation    (T, n) or (n,) names that may carry the estimation; None = all of them
    Raises DataError for other shapes and infinite numbers.

    >>> FactorPanel(symbols, tuple(range(300)), moves).present.all()
    np.True_
    """

    symbols: tuple[str, ...]
    dates: Sequence[object]
    returns: Array
    caps: Array | None = None
    traded: Array | None = None
    sector_names: tuple[str, ...] = ()
    sectors: Codes | None = None
    scores: Mapping[str, Array] = field(default_factory=dict)
    estimation: Mask | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", tuple(self.symbols))
        shape = (len(self.dates), len(self.symbols))
        for name in ("returns", "caps", "traded"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._read(name, getattr(self, name)))
        scores = {name: self._read(name, table) for name, table in self.scores.items()}
        object.__setattr__(self, "scores", scores)
        if (np.abs(self.returns) > MOST_RETURN).any():
            raise DataError(f"a return is above {MOST_RETURN:g} times; fractions are expected: 0.01 for 1%")
        if clash := set(self.scores) & ({MARKET} | set(NEEDS)):
            raise DataError(
                f"characteristics may not be called {', '.join(sorted(clash))}: the model has these"
            )
        for name in ("sectors", "estimation"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.broadcast_to(getattr(self, name), shape))
        if self.sectors is not None and self.sectors.max(initial=-1) >= len(self.sector_names):
            raise DataError("sectors has an index without a name; give sector_names for all of them")

    def _read(self, name: str, table: Array) -> Array:
        shape = (len(self.dates), len(self.symbols))
        values = floats(name, named_columns(name, table, self.symbols))
        if values.shape != shape:
            raise DataError(f"{name} has shape {values.shape}; {shape} is needed, a row a session")
        if np.isinf(values).any():
            raise DataError(f"{name} holds an infinite number; leave it out (NaN) or correct its source")
        return values

    def between(self, start: int, stop: int) -> "FactorPanel":
        """The sessions from the place `start` to before `stop`."""
        part = slice(start, stop)
        return replace(
            self, dates=self.dates[part], returns=self.returns[part],
            caps=None if self.caps is None else self.caps[part],
            traded=None if self.traded is None else self.traded[part],
            scores={name: table[part] for name, table in self.scores.items()},
            sectors=None if self.sectors is None else self.sectors[part],
            estimation=None if self.estimation is None else self.estimation[part],
        )  # fmt: skip

    def among(self, names: Mask) -> "FactorPanel":
        """The names (n,) alone, with the sectors that they have."""
        sectors, labels = None if self.sectors is None else self.sectors[:, names], self.sector_names
        if sectors is not None:
            used = np.unique(sectors[sectors >= 0])
            place = np.full(len(labels) + 1, -1, dtype=np.intp)  # the last for -1
            place[used] = np.arange(len(used))
            sectors, labels = place[sectors], tuple(labels[code] for code in used)
        return replace(
            self, symbols=tuple(name for name, kept in zip(self.symbols, names, strict=True) if kept),
            returns=self.returns[:, names], caps=None if self.caps is None else self.caps[:, names],
            traded=None if self.traded is None else self.traded[:, names], sector_names=labels, sectors=sectors,
            scores={name: table[:, names] for name, table in self.scores.items()},
            estimation=None if self.estimation is None else self.estimation[:, names],
        )  # fmt: skip

    @cached_property
    def present(self) -> Mask:
        """(T, n) where there is a return."""
        return np.asarray(np.isfinite(self.returns))

    @cached_property
    def eligible(self) -> Mask:
        """(T, n) names that may carry the estimation: weighed, and of a known sector where sectors are given."""
        inside = self.weights > 0
        inside = inside if self.sectors is None else inside & (self.sectors >= 0)
        return inside if self.estimation is None else inside & self.estimation

    @cached_property
    def weights(self) -> Array:
        """(T, n) by which names count: caps, 0 where unknown; 1 without any caps."""
        if self.caps is None:
            return np.ones(self.returns.shape)
        return np.where(self.caps > 0, self.caps, 0.0)


def sector_codes(labels: Sequence[str]) -> tuple[tuple[str, ...], Codes]:
    """The sector names in order, and (n,) their indices; "" is unknown, -1.

    >>> sector_codes(['Tech', '', 'Energy', 'Tech'])
    (('Energy', 'Tech'), array([ 1, -1,  0,  1]))
    """
    names = tuple(sorted({label for label in labels if label}))
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place.get(label, -1) for label in labels], dtype=np.intp)


@dataclass(frozen=True)
class Plan:
    """The factors that a panel allows, in order, and what it lacks for the others.

    styles    descriptors beside market and sectors, the log's characteristics last
    sectors   their names; () where there are none, or only one
    warm_up   sessions before the first regression
    missing   factor -> why it is left out, with the log that would give it
    weighed   whether capitalisations are known, by which names count
    """

    styles: tuple[str, ...]
    sectors: tuple[str, ...]
    warm_up: int
    missing: Mapping[str, str]
    weighed: bool

    @property
    def factors(self) -> tuple[str, ...]:
        """K names: market, `sector:<name>`, styles."""
        return (MARKET, *(f"sector:{name}" for name in self.sectors), *self.styles)

    @property
    def groups(self) -> tuple[str, ...]:
        """(K,) the kind of each factor."""
        return (MARKET, *(SECTOR for _ in self.sectors), *(STYLE for _ in self.styles))

    @property
    def counts(self) -> dict[str, int]:
        """Style of the panel's returns, volumes and capitalisations -> factors that there are with it, in its rank.

        Sectors and the panel's own scores hardly change from day to day, so that what a session's regression makes of
        few names cancels in the risk of these names. Such styles change, and it does not.
        """
        ranked = [style for style in RANKED if style in self.styles]
        still = max(len(self.sectors), 1) + len(self.styles) - len(ranked)
        return {style: count for count, style in enumerate(ranked, still + 1)}

    def borne(self, names: int) -> Mask:
        """(K,) the factors that a regression of so many names bears."""
        counts = self.counts
        return np.array([names >= NAMES_A_FACTOR * counts.get(factor, 0) for factor in self.factors])


def plan_of(panel: FactorPanel) -> Plan:
    """Which factors the data allow; raises DataError where not even the market can be estimated."""
    sessions = len(panel.dates)
    if sessions <= MIN_SESSIONS + 1 or not panel.symbols:
        raise DataError(
            f"a factor model needs more than {MIN_SESSIONS + 1} sessions of returns; the panel has {sessions}"
        )
    missing, warm_up = _without_data(panel)
    weighed = "size" not in missing
    for style, needs in NEEDS.items():
        if style not in missing and sessions - needs < MIN_SESSIONS:
            missing[style] = f"needs {needs + MIN_SESSIONS} sessions of prices; there are {sessions}"
    styles = tuple(style for style in NEEDS if style not in missing)
    scores = tuple(name for name in sorted(panel.scores) if name not in missing)
    sectors = () if "sectors" in missing else panel.sector_names
    known = Plan(styles + scores, sectors, _warm_up(warm_up, styles), missing, weighed)
    few = _unborne(trimmed(panel, known), known)
    borne = tuple(style for style in styles if style not in few)
    return Plan(borne + scores, sectors, _warm_up(warm_up, borne), missing | few, weighed)


def _warm_up(of_data: int, styles: tuple[str, ...]) -> int:
    return max([of_data, *(NEEDS[style] for style in styles)])


def _unborne(panel: FactorPanel, plan: Plan) -> dict[str, str]:
    """Style -> why it is left out of a plan, where in the median session the names do not bear it."""
    largest = np.abs(np.where(panel.present, panel.returns, 0.0)).max(axis=0)
    moving = largest >= min(2 * STILL, CALM * largest.max())
    names = int(np.median((panel.eligible & panel.present & moving)[plan.warm_up :].sum(axis=1)))
    return {
        style: f"{names} names are too few for {count} factors; {NAMES_A_FACTOR * count} are needed"
        for style, count in plan.counts.items()
        if names < NAMES_A_FACTOR * count
    }


def check_plan(plan: Plan, panel: FactorPanel) -> None:
    """Raises DataError where a panel has not the sectors or the data of a plan that was made of another."""
    if plan.sectors and (panel.sectors is None or panel.sector_names != plan.sectors):
        told = ", ".join(panel.sector_names) or "unknown"
        raise DataError(
            f"the sectors are {told}, those of the fit {', '.join(plan.sectors)}; fit the model anew"
        )
    scores = set(plan.styles) - set(NEEDS)
    lacks = ["size"] if plan.weighed and panel.caps is None else []
    lacks += ["liquidity"] if "liquidity" in plan.styles and panel.traded is None else []
    if lacks := sorted([*lacks, *(scores - set(panel.scores))]):
        raise DataError(
            f"the panel has no data for {', '.join(lacks)} of the fit; add them, or fit the model anew"
        )


def trimmed(panel: FactorPanel, plan: Plan) -> FactorPanel:
    """The panel without what the plan leaves out, so that nothing half known sets a weight or a universe."""
    return replace(
        panel,
        caps=panel.caps if plan.weighed else None,
        traded=None if "liquidity" in plan.missing else panel.traded,
        sectors=panel.sectors if plan.sectors else None,
        scores={name: values for name, values in panel.scores.items() if name in plan.styles},
    )


def _without_data(panel: FactorPanel) -> tuple[dict[str, str], int]:
    """Factor -> why its data do not do, and the session from which on the data of all others are known."""
    missing: dict[str, str] = {}
    starts = [MONTH]
    known: dict[str, tuple[Mask | None, str]] = {
        "size": (None if panel.caps is None else panel.caps > 0, LOGS["caps"]),
        "liquidity": (None if panel.traded is None else panel.traded > 0, LOGS["traded"]),
        "sectors": (None if panel.sectors is None else panel.sectors >= 0, LOGS["sectors"]),
        **{name: (np.isfinite(values), "characteristics") for name, values in panel.scores.items()},
    }
    for factor, (told, log) in known.items():
        start = len(panel.dates) if told is None else _known_from(told)
        if len(panel.dates) - start > MIN_SESSIONS:
            starts.append(start)
        else:
            missing[factor] = _too_little(told, len(panel.dates) - start, log)
    if "size" in missing:
        missing["nonlinear_size"] = missing["size"]
    if "sectors" not in missing and panel.sectors is not None and np.unique(panel.sectors[-1]).size < 2:
        missing["sectors"] = "all names are of one sector, which is then the market"
    return missing, max(starts)


def _too_little(told: Mask | None, sessions: int, log: str) -> str:
    if sessions:
        return f"known on {sessions} sessions, {MIN_SESSIONS + 1} are needed; the log {log} would give more"
    if told is not None and told[-1].any():
        return f"known of one name alone; the log {log} would give more"
    return f"nothing is on record; the log {log} would give it"


def _known_from(told: Mask) -> int:
    """The first session on which two names are known, and half as many as on the last."""
    counts = told.sum(axis=1)
    enough = np.flatnonzero(counts >= max(2, counts[-1] / 2))
    return int(enough[0]) if enough.size and counts[-1] >= 2 else len(told)
