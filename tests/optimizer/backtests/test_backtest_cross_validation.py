from math import comb

import numpy as np
import pandas as pd
import pytest

from optimizer import DataError, PolicyError, combinatorial_splits, cross_validate, probability_of_overfitting

RNG = np.random.default_rng(0)
RETURNS = pd.DataFrame(
    RNG.normal(0.0003, 0.01, (600, 3)), pd.bdate_range("2020-01-01", periods=600), list("ABC")
)


def test_training_rows_never_touch_the_test_blocks_or_their_margins():
    splits = list(combinatorial_splits(100, 5, 2, purge=3, embargo=4))
    assert len(splits) == comb(5, 2)
    for split in splits:
        for _, rows in split.tests:
            near = (split.train >= rows[0] - 3) & (split.train <= rows[-1] + 7)
            assert not near.any()
        assert len(split.train) > 0


def test_every_history_is_complete_and_out_of_sample():
    seen = []

    def fit(training):
        seen.append(training.index)
        return {"A": 0.5, "B": 0.5}

    found = cross_validate(RETURNS, fit, groups=6, tested=2, purge=1, embargo=0)
    assert found.paths.shape == (600, comb(6, 2) * 2 // 6)
    assert not found.paths.isna().to_numpy().any()
    held = RETURNS[["A", "B"]].mean(axis=1)
    for path in found.paths:
        np.testing.assert_allclose(found.paths[path], held)
    assert found.sharpe.std() == pytest.approx(0, abs=1e-12)
    assert len(seen) == comb(6, 2)


def test_the_ratios_are_per_year_at_the_frequency_of_the_dates():
    weekly = RETURNS.set_axis(pd.date_range("2010-01-01", periods=600, freq="W-FRI"))
    daily, found = (
        cross_validate(r, lambda training: {"A": 1.0}, groups=4, tested=2) for r in (RETURNS, weekly)
    )
    assert found.sharpe.to_numpy() == pytest.approx(daily.sharpe.to_numpy() * np.sqrt(52 / 252))


def test_noise_is_overfitted_about_half_the_time_and_skill_is_not():
    noise = pd.DataFrame(RNG.normal(0, 0.01, (1000, 40)))
    assert 0.2 < probability_of_overfitting(noise) < 0.9
    skilled = noise.copy()
    skilled[7] += 0.004
    assert probability_of_overfitting(skilled) == 0.0


def test_impossible_settings_are_named():
    with pytest.raises(PolicyError, match="tested < groups"):
        list(combinatorial_splits(10, 3, 3, purge=0, embargo=0))
    with pytest.raises(PolicyError, match="even number"):
        probability_of_overfitting(RETURNS, 5)
    with pytest.raises(DataError, match="gaps"):
        cross_validate(RETURNS.where(RETURNS > 0), lambda training: {})


def test_folds_that_leave_nothing_to_train_on_are_refused() -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(5e-4, 0.01, (100, 3)), columns=list("ABC"))
    with pytest.raises(PolicyError, match=r"\d+ rows are left to train on when groups \[\d, \d\] are tested"):
        cross_validate(table, lambda rows: dict.fromkeys("ABC", 1 / 3), purge=30, embargo=30)
    with pytest.raises(PolicyError, match="fit gives weights to Z"):
        cross_validate(table, lambda rows: {"A": 0.5, "Z": 0.5})


def test_overfitting_counts_what_differs_and_names_what_stands_still() -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(5e-4, 0.01, (1000, 6)))
    alone = probability_of_overfitting(table)
    assert probability_of_overfitting(table.assign(twin=table[0], again=table[3])) == alone
    with pytest.raises(DataError, match="cash does not move"):
        probability_of_overfitting(table.assign(cash=1e-4))
    with pytest.raises(PolicyError, match="1 different strategies"):
        probability_of_overfitting(table[[0]].assign(twin=table[0]))
    with pytest.raises(PolicyError, match="blocks of 12 rows"):
        probability_of_overfitting(table.head(12))


def test_weights_by_name_may_come_as_a_series_and_nothing_else_may() -> None:
    table = pd.DataFrame(np.random.default_rng(1).normal(0, 0.01, (80, 2)), columns=["a", "b"])
    by_dict = cross_validate(table, lambda _: {"a": 0.5, "b": 0.5}, groups=4)
    by_series = cross_validate(table, lambda _: pd.Series({"b": 0.5, "a": 0.5}), groups=4)
    pd.testing.assert_frame_equal(by_dict.paths, by_series.paths)
    for wrong, told in (
        (np.ones(2), "ndarray"),
        ({"a": np.nan}, "gives a a weight"),
        ({"a": "x"}, "gives a a weight"),
        ({"z": 1}, "z"),
    ):
        with pytest.raises(PolicyError, match=told):
            cross_validate(table, lambda _, it=wrong: it, groups=4)  # type: ignore[misc]
