"""Specific risk by hand: decayed moments with gaps, thin names, and the pull to the size's mean."""

import numpy as np
import pytest

from optimizer.factors.covariance import newey_west
from optimizer.factors.specific import (
    Moments,
    history_trust,
    shrunk_to_size,
    specific_deviation,
    structural_deviation,
)


def test_moments_of_a_whole_history_are_the_decayed_newey_west():
    """Of mean 0, because residuals have none."""
    residuals = np.random.default_rng(1).standard_normal((80, 3))
    moments = Moments.empty(3, 2, 20.0)
    for row in residuals:
        moments = moments.advanced(row)
    weights = 0.5 ** (np.arange(79, -1, -1) / 20.0)
    assert moments.daily == pytest.approx((weights @ residuals**2) / weights.sum())
    scaled = np.sqrt(weights / weights.sum())[:, None] * residuals
    expected = (scaled**2).sum(axis=0)
    for lag in (1, 2):
        expected += 2 * (1 - lag / 3) * (scaled[lag:] * scaled[:-lag]).sum(axis=0)
    assert moments.long_run == pytest.approx(expected)
    # A mean of 0 exactly, for the factors' own function.
    centred = np.vstack([residuals[:, :1], -residuals[:, :1]])
    assert newey_west(centred, np.inf, 0)[0, 0] == pytest.approx((residuals[:, 0] ** 2).mean())


def test_an_absent_name_keeps_its_risk():
    moments = Moments.empty(1, 1, 10.0).advanced(np.array([0.02]))
    later = moments
    for _ in range(5):
        later = later.advanced(np.array([np.nan]))
    assert later.daily == pytest.approx(moments.daily)
    assert later.count == 1


def test_trust_grows_from_sixty_to_a_hundred_and_eighty_regressions():
    assert history_trust(np.array([0.0, 60.0, 120.0, 180.0, 900.0])) == pytest.approx([0, 0, 0.5, 1, 1])
    assert history_trust(np.array([0.0, 30.0, 90.0])) == pytest.approx([0, 0, 1.0])


def test_a_structural_risk_is_read_from_names_alike():
    """Two sorts of names at 10% and 20%: a new one of either sort gets its sort's."""
    exposures = np.column_stack([np.ones(5), [0.0, 1.0, 0.0, 1.0, 1.0]])
    own = np.array([0.1, 0.2, 0.1, 0.2, np.nan])
    found = structural_deviation(own, exposures, np.ones(5), np.array([1, 1, 1, 1, 0], bool), np.zeros(2))
    assert found == pytest.approx([0.1, 0.2, 0.1, 0.2, 0.2])


def test_the_pull_by_hand():
    """Deviations 1 and 3 of equal weight: mean 2, gap 1, spread 1, pull 0.1 / 1.1."""
    found = shrunk_to_size(np.array([1.0, 3.0]), np.ones(2), 0.1)
    assert found == pytest.approx([1.0 + 1 / 11, 3.0 - 1 / 11])
    assert shrunk_to_size(np.array([2.0, 2.0]), np.zeros(2), 0.1).tolist() == [2.0, 2.0]


def test_names_without_any_residual_get_a_finite_risk():
    moments = Moments.empty(3, 2, 20.0)
    for row in np.random.default_rng(1).standard_normal((90, 3)) * 0.01:
        moments = moments.advanced(np.where([True, True, False], row, np.nan))
    found = specific_deviation(moments, np.ones((3, 1)), np.ones(3), np.array([1, 1, 0], bool), np.zeros(1))
    assert (found > 0.005).all()


def test_a_single_longest_history_among_short_ones_with_gaps_makes_no_risk_of_its_own():
    """Nobody has 180 sessions, one name has one more than the others: five slopes cannot be told by it."""
    rng, moments = np.random.default_rng(2), Moments.empty(12, 2, 84.0)
    for day, row in enumerate(rng.standard_normal((100, 12)) * 0.01):
        moments = moments.advanced(np.where((np.arange(12) == 3) | (day != 40), row, np.nan))
    exposures = np.column_stack([np.ones(12), rng.standard_normal((12, 4)) * 2])
    found = specific_deviation(moments, exposures, np.ones(12), np.ones(12, bool), np.zeros(5))
    assert found == pytest.approx(np.full(12, 0.01), rel=0.35)
    few = structural_deviation(found, exposures, np.ones(12), np.arange(12) < 2, np.zeros(5))
    assert few == pytest.approx(np.full(12, found[:2].mean()))
