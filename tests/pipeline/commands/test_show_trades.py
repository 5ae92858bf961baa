"""What the terminal shows of trades: two books, reasons, totals, why there are none; and why one symbol is traded."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from printed import block, printed

from pipeline.commands.printed.show_trades import show_explanation, show_trades

RESULT: dict[str, Any] = {
    "status": "optimal", "method": "mean_variance", "reason": None, "expected_return": 0.0816, "volatility": 0.1243,
    "sharpe": 0.4952, "notional": 1.154, "warnings": ["one name is stale"],
}  # fmt: skip
BUY: dict[str, Any] = {
    "action": "BUY", "quantity": 1500.0, "symbol": "AAA", "simulated": False, "price": 10.5,
    "value": Decimal("15750.00"), "cost": Decimal("28.63"), "current_weight": 0.1, "target_weight": 0.25751,
    "achieved_weight": 0.2569, "rationale": "views raise it",
}  # fmt: skip
SELL = BUY | {
    "action": "SELL", "quantity": 0.25, "symbol": "BBB", "simulated": True, "price": 1234.5,
    "value": Decimal("308.63"), "cost": Decimal("5.46"), "current_weight": 0.0031, "target_weight": 0.001,
    "achieved_weight": 0.0, "rationale": "not in the universe",
}  # fmt: skip
HOLD = BUY | {
    "action": "HOLD", "quantity": 0.0, "symbol": "CCC", "price": 7.0, "value": Decimal(0), "cost": Decimal(0),
    "current_weight": 0.5, "target_weight": 0.5014, "achieved_weight": 0.5002, "rationale": "within the band",
}  # fmt: skip
TOTALS: dict[str, Any] = {
    "nav_before": Decimal("100000.00"), "nav_after": Decimal("99965.91"), "costs": Decimal("34.09"),
    "cost_bps": 3.409, "turnover_two_way": 0.16059, "turnover": 0.080295, "cash_after": Decimal("34.567"),
    "tax": None, "short_term_gain": Decimal("-20"), "long_term_gain": Decimal("1500.5"),
    "warnings": ["the last share was left out"],
}  # fmt: skip
BOOK: dict[str, Any] = {
    "name": "book", "mode": "live", "base_currency": "USD", "problem": None, "result": RESULT, "totals": TOTALS,
    "trades": [BUY, SELL, HOLD], "trade_schedule": [],
}  # fmt: skip


def trades_of(*books: dict[str, Any], styles: bool = False, width: int = 200) -> str:
    shown = {
        "pack_id": "PP_2024-02-29",
        "as_of": date(2024, 2, 29),
        "portfolios": books,
        "notes": ["SIMULATED: BBB"],
    }
    return printed(show_trades, shown, styles=styles, width=width)


def test_the_trades_of_two_books() -> None:
    second = BOOK | {
        "name": "second", "mode": "paper", "base_currency": "CAD", "trades": [BUY],
        "totals": TOTALS | {"tax": Decimal("305.25"), "warnings": None},
        "result": RESULT | {"warnings": None, "sharpe": None, "notional": 1.0},
    }  # fmt: skip
    assert trades_of(BOOK, second) == block("""
        |
        |PP_2024-02-29  as of 2024-02-29
        |
        |book (live, USD)
        |  mean_variance: expected 8.2% a year, volatility 12.4%, Sharpe 0.50, notional 115%
        |
        |        shares   symbol               price       value    cost     now   after   why
        | ────────────────────────────────────────────────────────────────────────────────────────────────────
        | BUY     1,500   AAA                  10.50   15,750.00   28.63   10.0%   25.7%   views raise it
        | SELL     0.25   BBB (simulated)   1,234.50      308.63    5.46    0.3%    0.0%   not in the universe
        | HOLD        0   CCC                   7.00        0.00    0.00   50.0%   50.0%   within the band
        |
        |  NAV 100,000.00 -> 99,965.91; costs 34.09 (3.41 bps); turnover 16.1% two-way, 8.0% one-way; cash after 34.57
        |  ! one name is stale
        |  ! the last share was left out
        |
        |second (paper, CAD)
        |  mean_variance: expected 8.2% a year, volatility 12.4%, notional 100%
        |
        |       shares   symbol   price       value    cost     now   after   why
        | ──────────────────────────────────────────────────────────────────────────────────
        | BUY    1,500   AAA      10.50   15,750.00   28.63   10.0%   25.7%   views raise it
        |
        |  NAV 100,000.00 -> 99,965.91; costs 34.09 (3.41 bps); turnover 16.1% two-way, 8.0% one-way; cash after 34.57
        |  the sales realise -20.00 short-term and 1,500.50 long-term; estimated tax 305.25, not in the costs
        |
        |note  SIMULATED: BBB
    """)


LONG = "Increase weight from 10.0% to 25.8%: the views move its expected return from 6.1% to 9.4%, and its cap binds"


def test_on_80_columns_the_reason_stands_below_its_line() -> None:
    said = trades_of(BOOK | {"trades": [BUY | {"rationale": LONG}, SELL, HOLD]}, width=80)
    assert (
        block("""
        |      shares  symbol              price      value    now  after   cost
        |BUY    1,500  AAA                 10.50  15,750.00  10.0%  25.7%  28.63
        |      Increase weight from 10.0% to 25.8%: the views move its expected return
        |      from 6.1% to 9.4%, and its cap binds
        |SELL    0.25  BBB (simulated)  1,234.50     308.63   0.3%   0.0%   5.46
        |      not in the universe
        |HOLD       0  CCC                  7.00       0.00  50.0%  50.0%   0.00
        |      within the band
    """)
        in said
    )
    narrow = trades_of(BOOK, width=60)
    assert "|BUY    1,500  AAA                 10.50  15,750.00  10.0%\n" in narrow and "28.63" not in narrow


def test_the_reason_of_many_orders_is_said_once() -> None:
    near = [HOLD | {"symbol": f"N{at}", "rationale": f"No change ({at}.0% from target)"} for at in range(5)]
    said = trades_of(BOOK | {"trades": [BUY, *near[:3], HOLD, *near[3:]]}, width=80)
    *_, last = lines = [
        line for line in said.splitlines() if "HOLD" in line or "change" in line or "band" in line
    ]
    assert [line.split()[2] for line in lines if "HOLD" in line] == ["N0", "N1", "N2", "N3", "N4", "CCC"]
    assert (
        lines[5].endswith("the last of 5 alike: No change (4.0% from target)") and "within the band" in last
    )


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"result": None, "problem": "AAA has no price"}, "AAA has no price"),
        ({"result": RESULT | {"status": "infeasible", "reason": "min_sector Energy"}}, "min_sector Energy"),
        ({"result": None}, "not computed"),
    ],
)
def test_a_book_without_weights_says_why_and_shows_no_trades(changed: dict[str, Any], why: str) -> None:
    assert trades_of(BOOK | changed) == block(f"""
        |
        |PP_2024-02-29  as of 2024-02-29
        |
        |book (live, USD)
        |  no weights today: {why}
        |
        |note  SIMULATED: BBB
    """)


@pytest.mark.parametrize("totals", [None, TOTALS | {"nav_before": None, "warnings": None}])
def test_a_book_whose_value_is_not_known_has_no_totals(totals: dict[str, Any] | None) -> None:
    said = trades_of(BOOK | {"totals": totals})
    assert "NAV" not in said
    assert said.splitlines()[-3:] == ["|  ! one name is stale", "|", "|note  SIMULATED: BBB"]


def test_what_is_bought_is_green_what_is_sold_is_not_red_and_what_is_kept_dim() -> None:
    said = trades_of(BOOK, styles=True)
    for code, action in (("32", "BUY"), ("35", "SELL"), ("2", "HOLD")):
        assert f" \x1b[{code}m{action}\x1b[0m " in said
    assert "BBB \x1b[2m(simulated)\x1b[0m" in said


REASONED: dict[str, Any] = {
    "name": "book", "action": "SELL", "quantity": 300.0, "symbol": "AAA", "rationale": "drift", "current_weight": 0.2,
    "target_weight": 0.1, "achieved_weight": 0.1012, "lower": 0.0, "upper": 0.4, "risk_contribution": 0.05,
    "prior_return": 0.06, "posterior_return": 0.0725, "historical_return": 0.11, "volatility": None, "binding": "",
    "lots": [], "tax": None,
}  # fmt: skip
LOTS = [
    {
        "lot_id": "a1", "acquired": date(2022, 5, 3), "quantity": 200.0, "cost_basis": 41.5, "sold": 200.0,
        "gain": Decimal("1700.00"), "long_term": True,
    },
    {
        "lot_id": "b2", "acquired": date(2024, 1, 9), "quantity": 150.0, "cost_basis": 52.25, "sold": 100.0,
        "gain": Decimal("-225.00"), "long_term": False,
    },
    {
        "lot_id": "c3", "acquired": date(2024, 2, 1), "quantity": 10.0, "cost_basis": 1050.0, "sold": None,
        "gain": None, "long_term": None,
    },
]  # fmt: skip


def test_an_explanation_is_a_table_a_portfolio_with_its_lots() -> None:
    taxed = REASONED | {"name": "taxed", "binding": "max_weight", "lots": LOTS, "tax": Decimal("190")}
    assert printed(show_explanation, [REASONED, taxed]) == block("""
        |
        |book  SELL 300 AAA
        |  drift
        |
        | weight now                   20.00%
        | target weight                10.00%
        | weight after                 10.12%
        | lowest allowed                0.00%
        | highest allowed              40.00%
        | share of the risk             5.00%
        | expected return, prior        6.00%
        | expected return, posterior    7.25%
        | historical return            11.00%
        | volatility
        | limits that bind               none
        |
        |
        |taxed  SELL 300 AAA
        |  drift
        |
        | weight now                       20.00%
        | target weight                    10.00%
        | weight after                     10.12%
        | lowest allowed                    0.00%
        | highest allowed                  40.00%
        | share of the risk                 5.00%
        | expected return, prior            6.00%
        | expected return, posterior        7.25%
        | historical return                11.00%
        | volatility
        | limits that bind             max_weight
        |
        |tax 190.00
        |
        | lot   acquired     shares       cost   sold       gain
        | ───────────────────────────────────────────────────────────────────
        | a1    2022-05-03      200      41.50    200   1,700.00   long-term
        | b2    2024-01-09      150      52.25    100    -225.00   short-term
        | c3    2024-02-01       10   1,050.00
        |
    """)
    assert "tax" not in printed(show_explanation, [REASONED | {"lots": LOTS[:1]}])
    assert "SELL 1,519,886 AAA" in printed(show_explanation, [REASONED | {"quantity": 1_519_886.0}])
