"""The detector: z-scores against bands, nothing from the future, and a plain reason where it cannot read a series."""

from datetime import date, timedelta
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_tree import ROOT

from optimizer import Detector, PolicyError, detect
from optimizer.risk.regime_detector import Band, Indicator, Observation
from resources.settings.playbooks import load_playbooks

SHIPPED = load_playbooks(ROOT / "config").detector
TODAY = date(2025, 10, 26)
MONTHS = [date(2014 + i // 12, i % 12 + 1, 1) for i in range(141)]
DAYS = [TODAY - timedelta(days=7 * i + 2) for i in range(600)][::-1]


def series(dates: list[date], values: list[float], lag: int) -> list[Observation]:
    return [Observation(d, d + timedelta(days=lag), v) for d, v in zip(dates, values, strict=True)]


def wave(dates: list[date], last: float) -> list[float]:
    """Values of mean about 0 and deviation about 1 that end at `last`."""
    values = np.tile([1.0, -1.0], len(dates))[: len(dates)]
    values[-1] = last
    return values.tolist()


def world(curve: float, jobs: float, prices: float, credit: float) -> dict[str, list[Observation]]:
    """Each indicator about that many standard deviations from its mean."""
    yearly = np.array(wave(MONTHS, prices)) * 0.01 + 0.03
    level = np.ones(len(MONTHS) + 12) * 100
    for i in range(len(MONTHS)):
        level[i + 12] = level[i] * (1 + yearly[i])
    months = [date(2013, m, 1) for m in range(1, 13)] + MONTHS
    return {
        "T10Y2Y": series(DAYS, wave(DAYS, curve), 1),
        "UNRATE": series(MONTHS, wave(MONTHS, jobs), 30),
        "CPIAUCSL": series(months, level.tolist(), 40),
        "BAA10Y": series(DAYS, wave(DAYS, credit), 1),
    }


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ((1.5, -1.5, -1.5, -1.5), "EARLY_EXPANSION"),
        ((0.3, -0.3, 0.2, 0.2), "MID_EXPANSION"),
        ((-0.5, -1.0, 1.5, 0.5), "LATE_EXPANSION"),
        ((-1.5, 0.5, 0.5, 1.5), "EARLY_CONTRACTION"),
        ((1.5, 2.0, -1.0, 2.5), "DEEP_CONTRACTION"),
    ],
)
def test_each_phase_is_recognised(figures: tuple[float, float, float, float], expected: str) -> None:
    found = detect(world(*figures), TODAY, SHIPPED)
    assert (found.regime, found.problems) == (expected, ())
    assert 0 < found.margin < max(found.scores.values()) <= 1
    z_scores = {driver.series: driver.z_score for driver in found.drivers}
    for name, wanted in zip(("T10Y2Y", "UNRATE", "CPIAUCSL", "BAA10Y"), figures, strict=True):
        assert z_scores[name] == pytest.approx(wanted, abs=0.1)
    # The monthly series count like the daily ones.
    assert all(driver.points > 100 for driver in found.drivers)


@given(st.integers(1, 120), st.floats(-5, 5))
def test_what_is_published_later_changes_nothing(later: int, value: float) -> None:
    known = world(0.7, -0.7, 0.0, 0.0)
    since = TODAY + timedelta(days=later)
    told = {name: [*found, Observation(TODAY, since, value)] for name, found in known.items()}
    assert detect(told, TODAY, SHIPPED) == detect(known, TODAY, SHIPPED)


def test_a_series_that_cannot_be_read_says_why_and_nothing_is_detected() -> None:
    full = world(0.7, -0.7, 0.0, 0.0)
    cases = {
        "no value is on record": {**full, "UNRATE": []},
        "100 is the most": {**full, "UNRATE": full["UNRATE"][:-6]},
        "30 are needed": {**full, "UNRATE": full["UNRATE"][-20:]},
        # Whose deviation is no exact 0.
        "has not moved": {
            **full,
            "BAA10Y": series(DAYS, [0.1] * len(DAYS), 1),
        },
        "usable values": {**full, "CPIAUCSL": full["CPIAUCSL"][::-7][::-1]},  # no value has one a year before
    }
    for said, known in cases.items():
        found = detect(known, TODAY, SHIPPED)
        assert found.regime is None and found.scores == {} and found.margin == 0
        (problem,) = found.problems
        assert said in problem
        (unread,) = [driver for driver in found.drivers if driver.problem]
        assert isnan(unread.z_score) and isnan(unread.value)


def test_a_change_over_a_year_is_never_taken_from_a_level() -> None:
    """A raw index level among changes would be hundreds of deviations away."""
    known = world(0.7, -0.7, 0.0, 0.0)
    known["CPIAUCSL"] = known["CPIAUCSL"][24:]
    driver = next(d for d in detect(known, TODAY, SHIPPED).drivers if d.series == "CPIAUCSL")
    assert abs(driver.value) < 0.1 and driver.points == len(MONTHS) - 24


def test_a_fit_halves_with_each_deviation_outside() -> None:
    band = Band(-1.0, 0.5, 2.0)
    assert [band.fit(z) for z in (-2.0, -1.0, 0.0, 0.5, 2.5)] == [0.5, 1, 1, 1, 0.25]
    assert Band(None, 0.0, 1.0).fit(-9.0) == 1 == Band(0.0, None, 1.0).fit(9.0)


def test_a_detector_that_cannot_be_is_refused() -> None:
    only = (Indicator("A", "level", 10),)
    with pytest.raises(PolicyError, match="no regime 'BOOM'"):
        Detector(only, {"BOOM": {"A": Band(0, 1, 1)}})
    with pytest.raises(PolicyError, match="a band for each of A"):
        Detector(only, {"MID_EXPANSION": {"B": Band(0, 1, 1)}})
    with pytest.raises(PolicyError, match="positive weights"):
        Detector(only, {"MID_EXPANSION": {"A": Band(0, 1, 0)}})
