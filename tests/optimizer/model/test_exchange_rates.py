"""The freshest way between currencies, on each date by what was known then."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.exchange_rates import ExchangeRates, main_currency

OLD, MON, TUE, WED = date(2021, 1, 4), date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)


def one(stated, base, quote, day=WED):
    way = ExchangeRates(
        {pair: ([d for d, _ in rows], [r for _, r in rows]) for pair, rows in stated.items()}
    ).way(base, quote, [day])
    return float(way.rates[0]), way.told[0].astype(object)


@pytest.mark.parametrize(
    ("stated", "rate", "told"),
    [
        ({("EUR", "USD"): [(OLD, 1.0)], ("USD", "EUR"): [(WED, 1 / 1.2)]}, 1.2, WED),
        ({("EUR", "USD"): [(WED, 1.2)], ("USD", "EUR"): [(OLD, 1.0)]}, 1.2, WED),
        ({("EUR", "USD"): [(WED, 1.2)], ("USD", "EUR"): [(WED, 0.5)]}, 1.2, WED),
        ({("USD", "EUR"): [(WED, 0.5)], ("EUR", "USD"): [(WED, 1.2)]}, 1.2, WED),
        ({("EUR", "USD"): [(OLD, 1.0)], ("EUR", "GBP"): [(WED, 0.9)], ("GBP", "USD"): [(TUE, 1.3)]}, 1.17, TUE),
        ({("EUR", "USD"): [(WED, 1.2)], ("EUR", "GBP"): [(WED, 0.9)], ("GBP", "USD"): [(WED, 1.3)]}, 1.2, WED),
        ({("EUR", "USD"): [(TUE, 1.2)], ("EUR", "GBP"): [(WED, 0.9)], ("GBP", "USD"): [(OLD, 1.3)]}, 1.2, TUE),
        ({("EUR", "CHF"): [(WED, 2.0)], ("CHF", "SEK"): [(WED, 10.0)], ("USD", "SEK"): [(WED, 5.0)]}, 4.0, WED),
        ({("EUR", "CHF"): [(WED, 2.0)]}, np.nan, None),
        ({("EUR", "USD"): [(date(2024, 1, 4), 2.0)]}, np.nan, None),
        ({}, np.nan, None),
    ],
)  # fmt: skip
def test_of_direct_inverse_and_cross_the_freshest_wins_and_the_shortest_of_those_as_fresh(stated, rate, told):
    assert one(stated, "EUR", "USD") == (pytest.approx(rate, nan_ok=True), told)


def test_a_hundredth_is_a_definition_and_a_peg_does_not_age():
    pounds = {("GBP", "USD"): [(WED, 1.25)], ("GBX", "GBP"): [(OLD, 0.02)]}
    for unit in ("GBX", "GBp"):
        assert one(pounds, unit, "USD") == (pytest.approx(0.0125), WED)
        assert one({}, unit, "GBP") == (pytest.approx(0.01), WED)
        assert one({}, "GBP", unit) == (pytest.approx(100), WED)
    assert one({("GBX", "USD"): [(WED, 0.013)], ("GBP", "USD"): [(OLD, 1.0)]}, "GBP", "USD") == (
        pytest.approx(1.3),
        WED,
    )
    assert one({("USD", "ILS"): [(TUE, 4.0)]}, "ILA", "USD") == (pytest.approx(0.0025), TUE)
    assert one({("ZAR", "USD"): [(TUE, 0.05)]}, "ZAc", "USD") == (pytest.approx(0.0005), TUE)
    assert one({("KWD", "USD"): [(TUE, 3.25)]}, "KWF", "USD") == (pytest.approx(0.00325), TUE)
    assert one({}, "KWF", "KWD") == (pytest.approx(0.001), WED)
    assert main_currency("ZAr") == main_currency("ZAC") == ("ZAR", 0.01)
    assert main_currency("USD") == ("USD", 1.0)
    gulf = {("USD", "AED"): [(OLD, 3.6725)], ("AED", "EUR"): [(TUE, 0.3)], ("EUR", "USD"): [(TUE, 1.0)]}
    assert one(gulf, "AED", "USD") == (pytest.approx(1 / 3.6725), WED)


RATES = st.dictionaries(
    st.sampled_from([(a, b) for a in "ABCD" for b in "ABCD" if a != b]),
    st.dictionaries(st.integers(0, 9), st.floats(0.1, 10), min_size=1),
    max_size=6,
)


@given(stated=RATES, later=RATES, cut=st.integers(0, 9))
def test_there_and_back_is_one_and_what_comes_later_changes_nothing(stated, later, cut):
    days = np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]")

    def rates(told):
        return ExchangeRates(
            {pair: (days[sorted(rows)], [rows[i] for i in sorted(rows)]) for pair, rows in told.items()}
        )

    there, back = rates(stated).way("A", "B", days), rates(stated).way("B", "A", days)
    np.testing.assert_array_equal(there.told, back.told)
    spoilt = {pair: dict(rows) for pair, rows in stated.items()}
    for pair, rows in later.items():
        spoilt.setdefault(pair, {}).update({i: rate for i, rate in rows.items() if i > cut})
    spoilt = {pair: rows for pair, rows in spoilt.items() if rows}
    again = rates(spoilt).way("A", "B", days)
    known = days <= days[cut]
    np.testing.assert_array_equal(again.rates[known], there.rates[known])
    np.testing.assert_array_equal(again.told[known], there.told[known])
