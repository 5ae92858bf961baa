"""Which phase of the economy the published figures look like: z-scores against each phase's bands, as of a day."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import PolicyError
from optimizer.model.ranges import check_between
from optimizer.risk.regimes import REGIMES

ABSURD, TINY, ROUNDING = 1e15, 1e-100, 1e-12
Transform = Literal["level", "yearly_change"]


@dataclass(frozen=True)
class Observation:
    """A published value: of which day it is, since when it is known.

    >>> Observation(date(2024, 3, 1), date(2024, 4, 10), 3.5).value
    3.5
    """

    date: dt.date
    known_at: dt.date
    value: float


@dataclass(frozen=True)
class Indicator:
    """How a series is read: its level, or its change over a year; older than `stale_days` it says nothing of today.

    >>> Indicator('cpi', 'change', 45).stale_days
    45
    """

    series: str
    transform: Transform
    stale_days: int


@dataclass(frozen=True)
class Band:
    """Where a z-score lies in a phase, None for an open end, and how much that counts.

    >>> Band(0.0, None, 1.0).fit(-1.0)
    0.5
    """

    low: float | None
    high: float | None
    weight: float

    def fit(self, z: float) -> float:
        """1 inside the band, halved for each standard deviation outside."""
        below = 0.0 if self.low is None else max(self.low - z, 0.0)
        above = 0.0 if self.high is None else max(z - self.high, 0.0)
        return float(0.5 ** (below + above))


@typed
@dataclass(frozen=True)
class Detector:
    """What is looked at and how.

    window_years  of history that a z-score compares with;  least_points  that it needs
    rules         phase -> series -> band

    >>> Detector((), {}).window_years
    10.0
    """

    indicators: tuple[Indicator, ...]
    rules: Mapping[str, Mapping[str, Band]]
    window_years: float = 10.0
    least_points: int = 30

    def __post_init__(self) -> None:
        check_between("window_years", self.window_years, 0.01, 1e3)
        check_between("least_points", self.least_points, 2, 1e6)
        names = {indicator.series for indicator in self.indicators}
        for regime, bands in self.rules.items():
            if regime not in REGIMES:
                raise PolicyError(f"there is no regime {regime!r}; there are {', '.join(REGIMES)}")
            if set(bands) != names or not sum(band.weight for band in bands.values()) > 0:
                raise PolicyError(
                    f"{regime} needs a band for each of {', '.join(sorted(names))}, with positive weights"
                )


@dataclass(frozen=True)
class Driver:
    """One indicator as of the day; `problem` says why it cannot be read, and then the numbers are NaN.

    value     level, or change over a year (fraction)
    z_score   value less mean, in standard deviations of `points` values in the window
    """

    series: str
    date: dt.date | None
    known_at: dt.date | None
    value: float
    z_score: float
    points: int
    problem: str | None = None


@dataclass(frozen=True)
class Detection:
    """Scores of the phases, the best first; none where an indicator cannot be read.

    A score is the weighted mean of how well the indicators fit, 0 to 1. It is not a probability: nobody has
    calibrated it against phases that were agreed on later.
    """

    drivers: tuple[Driver, ...]
    scores: Mapping[str, float]

    @property
    def regime(self) -> str | None:
        """The phase that fits best."""
        return next(iter(self.scores), None)

    @property
    def margin(self) -> float:
        """The best score less the second; near 0 the answer is a toss-up."""
        ordered = [*self.scores.values(), 0.0, 0.0]
        return ordered[0] - ordered[1]

    @property
    def problems(self) -> tuple[str, ...]:
        """Why nothing is detected."""
        return tuple(f"{found.series}: {found.problem}" for found in self.drivers if found.problem)


@typed
def detect(series: Mapping[str, Sequence[Observation]], as_of: dt.date, detector: Detector) -> Detection:
    """The phase that the figures published by `as_of` look like.

    series  name -> observations, one a day of reference; what became known later is passed over

    >>> detect({}, day, Detector((), {})).regime
    """
    drivers = tuple(
        _driver(indicator, series.get(indicator.series, ()), as_of, detector)
        for indicator in detector.indicators
    )
    if any(found.problem for found in drivers):
        return Detection(drivers, {})
    z_scores = {found.series: found.z_score for found in drivers}
    scores = {regime: _score(bands, z_scores) for regime, bands in detector.rules.items()}
    ordered = sorted(scores, key=lambda regime: (-scores[regime], REGIMES.index(regime)))
    return Detection(drivers, {regime: scores[regime] for regime in ordered})


def _score(bands: Mapping[str, Band], z_scores: Mapping[str, float]) -> float:
    total = sum(band.weight for band in bands.values())
    return sum(band.weight * band.fit(z_scores[name]) for name, band in bands.items()) / total


def _driver(
    indicator: Indicator, observations: Sequence[Observation], as_of: dt.date, detector: Detector
) -> Driver:
    known = sorted((o for o in observations if o.known_at <= as_of and o.date <= as_of), key=lambda o: o.date)
    if not known:
        return _unread(indicator, None, "no value is on record")
    values = TRANSFORMS[indicator.transform](known)
    start = as_of - dt.timedelta(days=round(365.25 * detector.window_years))
    inside = [value for day, value in values.items() if day > start]
    newest = known[-1]
    age = (as_of - newest.date).days
    if age > indicator.stale_days:
        return _unread(
            indicator, newest, f"its newest value is {age} days old, {indicator.stale_days} is the most"
        )
    if len(inside) < detector.least_points or newest.date not in values:
        return _unread(indicator, newest, f"{len(inside)} usable values, {detector.least_points} are needed")
    if not np.abs(inside).max() < ABSURD:
        return _unread(indicator, newest, "one of its values is no number of ordinary size")
    if np.ptp(inside) <= ROUNDING * np.abs(inside).max():
        return _unread(indicator, newest, "it has not moved in the whole window")
    value, spread = values[newest.date], float(np.std(inside, ddof=1))
    z_score = (value - float(np.mean(inside))) / spread
    return Driver(indicator.series, newest.date, newest.known_at, value, z_score, len(inside))


def _unread(indicator: Indicator, newest: Observation | None, problem: str) -> Driver:
    nan = float("nan")
    day, known = (newest.date, newest.known_at) if newest else (None, None)
    return Driver(indicator.series, day, known, nan, nan, 0, problem)


def _levels(known: Sequence[Observation]) -> dict[dt.date, float]:
    return {o.date: o.value for o in known}


def _yearly_changes(known: Sequence[Observation]) -> dict[dt.date, float]:
    """Change over a year; a day without a value one year before has none."""
    levels = _levels(known)
    earlier = {day: levels.get(_year_before(day)) for day in levels}
    return {day: levels[day] / then - 1 for day, then in earlier.items() if then and abs(then) > TINY}


def _year_before(day: dt.date) -> dt.date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


TRANSFORMS = {"level": _levels, "yearly_change": _yearly_changes}
