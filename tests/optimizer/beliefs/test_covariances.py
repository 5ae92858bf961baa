"""Every covariance: its definition, other libraries, shrinkage, noise and factors."""

import numpy as np
import pytest
from draws import examples
from hypothesis import given
from random_prices import degenerate_samples, prices, returns

from optimizer import (
    DataError,
    PolicyError,
    Recipe,
    Sample,
    denoised,
    estimate,
    ewma_covariance,
    gerber,
    nearest_psd,
    pairwise_moments,
    sample_covariance,
    statistical_factors,
)
from optimizer.beliefs.estimators.factored import FACTORED
from optimizer.beliefs.estimators.garch import garch_variances
from optimizer.beliefs.estimators.recipes import COVARIANCES
from optimizer.beliefs.estimators.shrinkage import ledoit_wolf_intensity
from optimizer.beliefs.estimators.spectral import MIN_RETURNS
from optimizer.factors.series import noise_edge
from optimizer.numerics.matrices import block


@pytest.mark.parametrize("method", sorted(COVARIANCES))
@examples(4)
@given(sample=degenerate_samples())
def test_every_covariance_is_finite_symmetric_and_semidefinite(method, sample):
    if method == "garch" and sample.returns.shape[1] > 4:
        sample = Sample(sample.returns[:, :4])
    if method == "factor_model":  # which needs a quarter of a year
        sample = Sample(np.tile(sample.returns, (-(-MIN_RETURNS // sample.rows), 1)))
    covariance = COVARIANCES[method](sample)
    assert np.isfinite(covariance).all()
    scale = max(float(np.trace(covariance)), 1e-300)
    assert np.abs(covariance - covariance.T).max() <= 1e-12 * scale
    assert np.linalg.eigvalsh(covariance)[0] >= -1e-12 * scale


@pytest.mark.parametrize("shape", [(120, 5), (40, 90), (252, 100), (50, 1)])
def test_ledoit_wolf_and_oas_equal_sklearn(shape):
    from sklearn.covariance import ledoit_wolf, oas

    sample = Sample(returns(*shape))
    for ours, theirs in (("ledoit_wolf", ledoit_wolf), ("oas", oas)):
        expected, _ = theirs(sample.returns)
        assert np.abs(COVARIANCES[ours](sample) - expected).max() <= 1e-12 * np.abs(expected).max()


def test_the_intensity_needs_no_n_by_n_matrix():
    sample = Sample(returns(40, 90))
    wide = sample.centred.T @ sample.centred / 40
    narrow = sample.centred @ sample.centred.T / 40
    assert ledoit_wolf_intensity(sample, narrow) == pytest.approx(
        ledoit_wolf_intensity(sample, wide), rel=1e-12
    )


def test_constant_correlation_equals_its_definition():
    """The estimators of pi, rho and gamma written out as sums (Ledoit & Wolf 2004, appendix)."""
    sample = Sample(returns(60, 4))
    x, rows, n = sample.centred, 60, 4
    s = x.T @ x / rows
    d = np.sqrt(np.diag(s))
    mean_r = np.mean([s[i, j] / d[i] / d[j] for i in range(n) for j in range(i + 1, n)])
    target = np.array([[s[i, i] if i == j else mean_r * d[i] * d[j] for j in range(n)] for i in range(n)])
    pi = np.array([[np.mean((x[:, i] * x[:, j] - s[i, j]) ** 2) for j in range(n)] for i in range(n)])

    def theta(i, j):
        return np.mean((x[:, i] ** 2 - s[i, i]) * (x[:, i] * x[:, j] - s[i, j]))

    rho = np.trace(pi) + sum(
        mean_r / 2 * (d[j] / d[i] * theta(i, j) + d[i] / d[j] * theta(j, i))
        for i in range(n)
        for j in range(n)
        if i != j
    )
    intensity = np.clip((pi.sum() - rho) / ((s - target) ** 2).sum() / rows, 0, 1)
    expected = intensity * target + (1 - intensity) * s
    assert COVARIANCES["ledoit_wolf_constant_correlation"](sample) == pytest.approx(expected, rel=1e-10)


def test_sample_covariance_equals_numpy():
    table = returns()
    assert sample_covariance(Sample(table)) == pytest.approx(np.cov(table.T), rel=1e-12)


def test_ewma_volatilities_of_two_series_differ_as_the_series_do():
    rng = np.random.default_rng(3)
    table = np.column_stack([rng.normal(0, 0.01, 500), rng.normal(0, 0.05, 500)])
    volatility = np.sqrt(np.diag(ewma_covariance(Sample(table, half_life=60))))
    assert volatility[1] / volatility[0] == pytest.approx(5, rel=0.2)


def test_ewma_follows_its_recursion():
    table = returns(400, 2)
    covariance = np.outer(table[0], table[0])
    for row in table[1:]:
        covariance = 0.94 * covariance + 0.06 * np.outer(row, row)
    assert ewma_covariance(Sample(table)) == pytest.approx(covariance, rel=1e-6)


def test_semi_covariance_sees_only_losses():
    table = np.array([[0.02, -0.01], [-0.03, -0.02], [0.01, 0.04]])
    expected = np.array([[0.0009, 0.0006], [0.0006, 0.0005]]) / 3
    assert COVARIANCES["semi"](Sample(table)) == pytest.approx(expected)


def test_gerber_counts_joint_moves():
    table = np.array(
        [[0.02, 0.02], [-0.02, -0.02], [0.02, -0.02], [-0.02, 0.02], [0.02, 0.02], [-0.001, 0.001]]
    )
    covariance = gerber(Sample(table))
    deviation = np.sqrt(np.diag(covariance))
    assert covariance[0, 1] / deviation.prod() == pytest.approx((3 - 2) / 5)


def test_denoising_keeps_variances_and_flattens_noise():
    table = returns(500, 40)
    covariance = denoised(Sample(table))
    assert np.diag(covariance) == pytest.approx(table.var(axis=0, ddof=1))
    deviation = np.sqrt(np.diag(covariance))
    values = np.linalg.eigvalsh(covariance / np.outer(deviation, deviation))
    assert values[0] == pytest.approx(values[-2], rel=0.2)
    assert values[-1] > 10


def test_unrelated_symbols_have_no_signal():
    values = np.linalg.eigvalsh(np.corrcoef(np.random.default_rng(0).normal(size=(2000, 200)).T))
    assert (values > 1.05 * noise_edge(values, 2000)).sum() == 0


def test_a_spectrum_without_a_gap_still_has_noise():
    """Eigenvalues of 100 large companies over two years, rounded: a market, some sectors, and a long tail."""
    rest = np.linspace(0.1, 1.9, 95)
    top = np.array([2.2, 2.3, 3.8, 5.4])
    values = np.sort(np.concatenate([rest * (100 - 25 - top.sum()) / rest.sum(), top, [25.0]]))
    assert 5 <= (values > noise_edge(values, 504)).sum() <= 12


def test_one_statistical_factor_is_found():
    rng = np.random.default_rng(0)
    loading = rng.uniform(0.5, 1.5, 30)
    table = rng.normal(0, 0.01, (2000, 1)) * loading + rng.normal(0, 0.01, (2000, 30))
    covariance = statistical_factors(Sample(table))
    assert covariance[0, 1] == pytest.approx(loading[0] * loading[1] * 1e-4, rel=0.15)
    assert np.diag(covariance) == pytest.approx(table.var(axis=0, ddof=1))


def test_garch_finds_the_parameters_that_made_the_series():
    rng = np.random.default_rng(5)
    omega, alpha, beta, rows = 1e-6, 0.08, 0.9, 6000
    h, shocks = np.empty(rows + 1), np.empty(rows)
    h[0] = omega / (1 - alpha - beta)
    for t in range(rows):
        shocks[t] = np.sqrt(h[t]) * rng.normal()
        h[t + 1] = omega + alpha * shocks[t] ** 2 + beta * h[t]
    variances = garch_variances(shocks)
    assert len(variances) == rows + 1
    assert np.corrcoef(variances[500:], h[500:])[0, 1] > 0.97
    assert variances[-1] == pytest.approx(h[-1], rel=0.15)


@pytest.mark.parametrize(("seed", "rows"), [(24, 5), (6, 20), (8, 250), (20, 800), (32, 800)])
def test_garch_is_as_likely_as_any_of_a_fine_grid(seed: int, rows: int):
    """Of shocks that rarely last the search ended where nothing reacts, at a constant variance."""
    draw = np.random.default_rng(seed)
    shocks = 0.01 * (draw.standard_t(3, rows) if seed % 3 else draw.standard_normal(rows))
    shocks -= shocks.mean()
    mean = shocks @ shocks / rows

    def loss(h: np.ndarray) -> float:
        return float((np.log(h / mean) + shocks**2 / h).sum())

    a, b = (side.ravel() for side in np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 1, 41)))
    a, b = a[a + b < 0.999], b[a + b < 0.999]
    h, losses = np.full(len(a), mean), np.zeros(len(a))
    for shock in shocks:
        losses += np.log(h / mean) + shock**2 / h
        h = (1 - a - b) * mean + a * shock**2 + b * h
    assert loss(garch_variances(shocks)[:-1]) <= losses.min() + 1e-6


def test_garch_forecast_reacts_to_the_last_shock():
    calm = np.random.default_rng(2).normal(0, 0.01, 800)
    calm[400:] *= 3
    shocked = calm.copy()
    shocked[-1] = 0.15
    assert garch_variances(shocked)[-1] > 1.5 * garch_variances(calm)[-1]


def test_unequal_histories_pairwise_are_used_and_repaired():
    table = prices(returns(252, 40))
    table.iloc[:200, ::2] = np.nan
    est = estimate(table, Recipe(covariance_method="sample", missing="pairwise"))
    assert np.linalg.eigvalsh(est.covariance)[0] >= -1e-10
    assert "200 of 253 sessions lack a price, of S0 200" in est.notes[0]
    assert "made positive semidefinite" in est.notes[1]
    with pytest.raises(PolicyError, match="ledoit_wolf cannot use unequal histories"):
        estimate(table, Recipe(missing="pairwise"))


def test_pairwise_covariance_equals_pandas():
    table = prices(returns(200, 4))
    table.iloc[:60, 2] = np.nan
    table.iloc[151:, 0] = np.nan

    def moments():
        return pairwise_moments(table.to_numpy(), table.index, table.columns, "daily", lambda _: 252.0)

    daily = table.pct_change(fill_method=None)
    mean, covariance, fewest = moments()
    assert covariance == pytest.approx(252 * daily.cov().to_numpy(), rel=1e-10)
    assert mean == pytest.approx(252 * daily.mean().to_numpy())
    assert fewest == 90
    table.iloc[20:, 3] = np.nan
    with pytest.raises(DataError, match=r"S\d and S3 share 0 returns"):
        moments()


def test_highams_own_example():
    """Higham (2002), section 4: the nearest correlation to this matrix."""
    start = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    expected = np.array([[1.0, 0.7607, 0.1573], [0.7607, 1.0, 0.7607], [0.1573, 0.7607, 1.0]])
    assert nearest_psd(start) == pytest.approx(expected, abs=5e-5)


def test_a_semidefinite_matrix_is_left_alone():
    covariance = np.array([[0.04, 0.01], [0.01, 0.09]])
    assert nearest_psd(covariance) is covariance


@pytest.mark.parametrize("method", sorted(FACTORED))
@pytest.mark.parametrize("shape", [(60, 90), (120, 5), (31, 1)])
def test_factors_multiply_out_to_the_dense_covariance(method, shape):
    shape = (max(shape[0], MIN_RETURNS), shape[1]) if method == "factor_model" else shape
    sample = Sample(returns(*shape), risk_free=0.0001)
    dense, factors = COVARIANCES[method](sample), FACTORED[method](sample)
    tiny = 1e-12 * np.abs(dense).max()
    assert np.abs(factors.dense - dense).max() <= tiny
    assert np.abs(factors.variances - np.diag(dense)).max() <= tiny
    columns = np.arange(shape[1])[::2]
    assert np.abs(block(factors, columns) - dense[np.ix_(columns, columns)]).max() <= tiny
    weights = np.linspace(-1, 1, shape[1])
    assert np.abs(factors @ weights - dense @ weights).max() <= tiny * shape[1]


def test_more_symbols_than_days_are_kept_in_factors_until_the_matrix_is_read():
    table = prices(returns(60, 90))
    est = estimate(table, Recipe())
    assert "covariance" not in vars(est)
    assert est.low_rank.root.shape == (60, 90)
    assert est.volatility == pytest.approx(np.sqrt(np.diag(est.covariance)))
    from_matrix = COVARIANCES["ledoit_wolf"](Sample(returns(60, 90))) * 252
    assert np.abs(est.covariance - from_matrix).max() <= 1e-12 * from_matrix.max()
    assert estimate(table.iloc[:, :20], Recipe()).low_rank is None
