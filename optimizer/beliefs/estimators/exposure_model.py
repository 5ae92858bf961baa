"""Returns and risk of funds, looked through to the markets they hold."""

from collections.abc import Mapping, Sequence

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import PolicyError
from optimizer.model.estimates import ABSURD_RETURN, Estimates
from optimizer.model.exposure_types import ExposureType
from optimizer.model.exposures import Fund, FundExposureMap


@typed
def look_through_return(fund: Fund, market_returns: Mapping[ExposureType, float], risk_free: float) -> float:
    """Expected total return of a fund per year: sum e mu - (F - 1) rf - max(F - 1, 0) spread - fee.

    market_returns  per year; total returns of funded exposures, excess returns of unfunded ones
    risk_free       per year; F is the sum of the funded exposures, so a short fund earns interest
    Not for a fund's own price history, which carries financing and fee already. Raises PolicyError where a
    market has no return, or the fee is not known.

    >>> round(look_through_return(funds['EQUITY'], {ExposureType.EQUITY: 0.07}, 0.02), 4)
    0.069
    """
    missing = [kind.value for kind in fund.exposures if kind not in market_returns]
    if missing:
        raise PolicyError(f"no expected return is given for {', '.join(missing)}, which {fund.symbol} holds")
    if fund.fee is None:
        raise PolicyError(
            f"the fee of {fund.symbol} is not known; state it in the fund map, 0 if there is none"
        )
    numbers = [risk_free, *(market_returns[kind] for kind in fund.exposures)]
    if not all(abs(number) <= ABSURD_RETURN for number in numbers):
        raise PolicyError(f"returns of {numbers} per year; fractions are expected: write 0.08 for 8%")
    gross = sum(amount * market_returns[kind] for kind, amount in fund.exposures.items())
    borrowed = fund.funded - 1
    return gross - borrowed * risk_free - max(borrowed, 0.0) * fund.spread - fund.fee


@typed
def look_through(
    fund_map: FundExposureMap, symbols: Sequence[str], markets: Estimates, risk_free: float
) -> Estimates:
    """Estimates of funds made from estimates of the markets they hold; no fund prices are needed.

    markets    its symbols are the values of the exposure types ("us_large_equity"), each as a fund lists it
    risk_free  per year; means as in `look_through_return`, covariance B' S B with B the (k, n) exposures
    More funds than markets make the covariance singular. Raises PolicyError as `look_through_return` does.

    >>> markets = Estimates(('equity',), np.array([0.07]), np.array([[0.03]]))
    >>> look_through(funds, ('EQUITY',), markets, 0.02).mean.round(4).tolist()
    [0.069]
    """
    funds = fund_map.select(symbols)
    kinds = [ExposureType.parse(name) for name in markets.symbols]
    held = fund_map.listed(symbols, kinds)
    means = dict(
        zip(kinds, [0.0] * len(kinds) if markets.mean is None else markets.mean.tolist(), strict=True)
    )
    expected = np.array([look_through_return(fund, means, risk_free) for fund in funds])
    covariance = held.T @ markets.covariance @ held
    return Estimates(
        symbols=tuple(symbols),
        mean=None if markets.mean is None else expected,
        covariance=(covariance + covariance.T) / 2,
        observations=markets.observations,
        periods_per_year=markets.periods_per_year,
        notes=(*markets.notes, "looked through to exposures; financing and fees charged once"),
    )
