"""Rebalance rules: bands, calendar, cool-down and cash, against figures worked out by hand."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import Policy, PolicyError
from optimizer.proposals.rebalance_rules import CashRange, Decision, RebalanceRules, Standing, decide

DAY = date(2026, 3, 3)  # a Tuesday
TARGET = {"A": 0.5, "B": 0.48}
CASH = CashRange(0.005, 0.01, 0.02)


def said(
    rules: RebalanceRules,
    a: float = 0.5,
    b: float = 0.48,
    *,
    cash: float = 0.015,
    previous: date | None = DAY - timedelta(days=1),
    traded: date | None = None,
    day: date = DAY,
) -> Decision:
    return decide(rules, Standing(TARGET, previous, traded), {"A": a, "B": b}, cash, day)


@pytest.mark.parametrize(
    ("rules", "a", "b", "sentence"),
    [
        (RebalanceRules(drift=0.02), 0.508, 0.48, "no trade: drift 0.8% of 2%"),
        (RebalanceRules(drift=0.02), 0.52, 0.48, "no trade: drift 2% of 2%"),
        (RebalanceRules(drift=0.02), 0.521, 0.48, "trade: drift 2.1% of 2%"),
        (RebalanceRules(relative_drift=0.1), 0.5, 0.45, "no trade: relative drift 6.25% of 10%"),
        (RebalanceRules(relative_drift=0.1), 0.5, 0.43, "trade: relative drift 10.42% of 10%"),
        (RebalanceRules(total_drift=0.03), 0.52, 0.46, "no trade: drift in all 2% of 3%"),
        (RebalanceRules(total_drift=0.03), 0.54, 0.44, "trade: drift in all 4% of 3%"),
        (RebalanceRules(drift=0.02, cash=CASH), 0.508, 0.48, "no trade: drift 0.8% of 2%, cash 1.5% of 0.5-2%"),
        (RebalanceRules(do_not_trade="probate"), 0.9, 0.1, "no trade: do not trade: probate"),
        (RebalanceRules(), 0.5, 0.48, "trade: its rules ask for one"),
        (RebalanceRules(cash=CashRange(0.01)), 0.9, 0.085, "no trade: cash 1.5% of at least 1%"),
    ],
)  # fmt: skip
def test_the_sentence_tells_each_figure_and_its_band(
    rules: RebalanceRules, a: float, b: float, sentence: str
) -> None:
    found = said(rules, a, b)
    assert found.sentence == sentence
    assert found.trades == sentence.startswith("trade")


def test_a_first_day_trades_and_a_name_without_a_target_counts() -> None:
    rules = RebalanceRules(drift=0.02)
    first = decide(rules, Standing(), {"A": 1.0}, 0.0, DAY)
    assert first.sentence == "trade: no earlier target is on record"
    assert decide(rules, Standing({"A": 0.97}), {"A": 0.97, "NEW": 0.03}, 0.0, DAY).trades
    relative = RebalanceRules(relative_drift=0.1)
    found = decide(relative, Standing({"A": 0.97}), {"A": 0.97, "NEW": 0.001}, 0.0, DAY)
    assert found.sentence == "trade: relative drift beyond 10%: NEW has no target"
    assert not decide(relative, Standing({"A": 0.97}), {"A": 0.97, "REMNANT": 0.0004}, 0.0, DAY).trades
    assert not decide(relative, Standing({"A": 0.97, "OLD": 0.0}), {"A": 0.97, "OLD": 0.0}, 0.0, DAY).trades
    short = decide(relative, Standing({"A": 1.2, "S": -0.2}), {"A": 1.2, "S": -0.25}, 0.0, DAY)
    assert short.sentence == "trade: relative drift 25% of 10%"


@pytest.mark.parametrize(
    ("calendar", "previous", "day", "trades"),
    [
        ("monthly", date(2026, 2, 27), date(2026, 3, 2), True),
        ("monthly", date(2026, 3, 2), date(2026, 3, 3), False),
        ("quarterly", date(2026, 2, 27), date(2026, 3, 2), False),
        ("quarterly", date(2026, 3, 31), date(2026, 4, 1), True),
        ("yearly", date(2025, 12, 31), date(2026, 1, 2), True),
        ("weekly", date(2026, 3, 6), date(2026, 3, 9), True),
        ("weekly", date(2026, 3, 9), date(2026, 3, 10), False),
        (("tuesday",), DAY, DAY, True),
        (("monday", "friday"), DAY, DAY, False),
        ("monthly", None, DAY, True),
    ],
)
def test_the_calendar_is_the_first_day_looked_at_of_a_period_or_its_weekdays(
    calendar: str, previous: date | None, day: date, trades: bool
) -> None:
    rules = RebalanceRules(calendar=calendar)  # type: ignore[arg-type]
    assert said(rules, previous=previous, day=day).trades is trades
    banded = RebalanceRules(drift=0.02, calendar=calendar)  # type: ignore[arg-type]
    assert said(banded, 0.55, 0.43, previous=previous, day=day).trades is trades
    assert not said(banded, previous=previous, day=day).trades


def test_a_cool_down_holds_back_drift_and_never_a_need_of_cash() -> None:
    rules = RebalanceRules(drift=0.02, cool_down_days=5, cash=CASH)
    waiting = said(rules, 0.55, 0.43, traded=DAY - timedelta(days=4))
    assert (
        waiting.sentence == "no trade: 4 of 5 days since the last trade, drift 5% of 2%, cash 1.5% of 0.5-2%"
    )
    assert said(rules, 0.55, 0.43, traded=DAY - timedelta(days=5)).kind == "rebalance"
    assert said(rules, 0.51, 0.49, cash=0.0, traded=DAY).kind == "raise_cash"


@pytest.mark.parametrize(
    ("cash", "a", "kind"),
    [
        (0.004, 0.505, "raise_cash"),
        (0.03, 0.49, "invest_cash"),
        (0.004, 0.55, "rebalance"),
        (0.01, 0.5, "no_trade"),
    ],
)
def test_cash_is_raised_by_sales_alone_and_invested_by_buys_alone_unless_names_drifted(
    cash: float, a: float, kind: str
) -> None:
    found = said(RebalanceRules(drift=0.02, cash=CASH, calendar="yearly"), a, cash=cash)
    assert found.kind == kind
    policy = found.under(Policy(do_not_buy={"B": "restricted"}), ("A", "B"))
    assert (policy.cash_min, policy.cash_max) == (0.01, 0.01)
    bought = {"A": "cash is raised first", "B": "restricted"}
    assert policy.do_not_buy == (bought if kind == "raise_cash" else {"B": "restricted"})
    assert set(policy.do_not_sell) == ({"A", "B"} if kind == "invest_cash" else set())


weights = st.dictionaries(st.sampled_from("ABCDE"), st.floats(0, 1), min_size=1)


@given(weights, weights, st.floats(0, 1), st.floats(0, 1))
def test_what_is_inside_a_wide_band_is_inside_none_narrower_that_it_breaks(
    now: dict[str, float], target: dict[str, float], narrow: float, wide: float
) -> None:
    low, high = sorted((narrow, wide))
    for name in ("drift", "relative_drift", "total_drift"):
        rules = [RebalanceRules(**{name: band}) for band in (low, high)]  # type: ignore[arg-type]
        narrow_trades, wide_trades = (decide(one, Standing(target), now, 0.0, DAY).trades for one in rules)
        assert narrow_trades or not wide_trades
    assert not decide(RebalanceRules(drift=0.0), Standing(target), target, 0.0, DAY).trades


def test_a_standing_is_read_back_the_same() -> None:
    for standing in (Standing(), Standing(TARGET, DAY, DAY - timedelta(days=9))):
        assert Standing.of_json(standing.as_json()) == standing


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RebalanceRules(drift=-0.1),
        lambda: RebalanceRules(total_drift=float("nan")),
        lambda: RebalanceRules(calendar="daily"),  # type: ignore[arg-type]
        lambda: RebalanceRules(calendar=("sun",)),
        lambda: RebalanceRules(calendar=()),
        lambda: RebalanceRules(cool_down_days=-1),
        lambda: CashRange(0.02, 0.01),
        lambda: CashRange(0.0, None, float("inf")),
    ],
)
def test_rules_that_cannot_be_are_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PolicyError):
        wrong()
