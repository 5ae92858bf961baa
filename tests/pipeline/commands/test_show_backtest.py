"""What is printed of a backtest and of a sweep, line by line."""

from typing import Any

from printed import block, printed

from pipeline.commands.printed.show_backtest import show_backtest, show_variants

MEASURES: dict[str, Any] = {
    "annual_return": 0.1234, "volatility": 0.2, "sharpe": 0.5, "deflated_sharpe": 0.75, "sortino": None,
    "max_drawdown": -0.25, "turnover": 0.4, "cost_drag": 0.00124,
}  # fmt: skip
VARIANTS = {
    "lookback_days=126": MEASURES,
    "lookback_days=252": MEASURES | {"sharpe": 0.6, "sortino": 0.913},
    "lookback_days=504": MEASURES | {"sharpe": None, "turnover": 1.5},
}
SWEPT = {
    "pack_id": "PP_2024-02-29", "notes": ["prices of a test"],
    "portfolios": {"book": VARIANTS, "paper": {"tau=0.1": MEASURES}}, "trials": {"book": 3, "paper": 1},
    "probability_of_overfitting": {"book": 0.4, "paper": None},
}  # fmt: skip


def test_a_sweep_is_a_line_a_variant_with_the_number_of_trials() -> None:
    assert printed(show_variants, SWEPT) == block("""
        |book under PP_2024-02-29
        |
        |                     return   volatility   Sharpe   deflated   Sortino   drawdown   turnover   cost a year
        | ─────────────────────────────────────────────────────────────────────────────────────────────────────────
        | lookback_days=126    12.3%        20.0%     0.50      75.0%               -25.0%      40.0%         0.12%
        | lookback_days=252    12.3%        20.0%     0.60      75.0%      0.91     -25.0%      40.0%         0.12%
        | lookback_days=504    12.3%        20.0%               75.0%               -25.0%     150.0%         0.12%
        |
        |  deflated: how sure it is that the Sharpe ratio beats the best of 3 policies without skill
        |  in 40% of the splits into halves the best of one is below the middle in the other
        |paper under PP_2024-02-29
        |
        |           return   volatility   Sharpe   deflated   Sortino   drawdown   turnover   cost a year
        | ───────────────────────────────────────────────────────────────────────────────────────────────
        | tau=0.1    12.3%        20.0%     0.50      75.0%               -25.0%      40.0%         0.12%
        |
        |  deflated: how sure it is that the Sharpe ratio beats the best of 1 policies without skill
        |
        |note  prices of a test
    """)


def test_the_variant_of_the_best_sharpe_ratio_stands_out() -> None:
    bold = [line for line in printed(show_variants, SWEPT, styles=True).splitlines() if "\x1b[1mlook" in line]
    assert [line.count("lookback_days=252") for line in bold] == [1]


def test_the_measures_of_a_backtest_stand_side_by_side_and_its_variants_below() -> None:
    parts = [
        ("policy", "exposure", "EQUITY", "total", 0.0512), ("policy", "exposure", "RATES", "total", -0.0034),
        ("policy", "sector", "Energy", "allocation", 0.001), ("policy", "sector", "Energy", "selection", -0.002),
        ("policy", "sector", "Energy", "interaction", 0.0003), ("benchmark", "exposure", "EQUITY", "total", 0.9),
    ]  # fmt: skip
    names = ("strategy", "breakdown", "part", "effect", "contribution")
    strategies = {
        "equal_weight": {"sharpe": 0.41234, "cagr": 0.07},
        "policy": {"sharpe": 0.5, "cagr": 0.08125, "turnover": 2.0},
    }
    shown = {
        "pack_id": "PP_2024-02-29", "notes": ["a note"],
        "portfolios": {"the book": strategies | VARIANTS, "paper": {"policy": {"tail_ratio_of_the_year": -1.0}}},
        "attribution": {"the book": [dict(zip(names, part, strict=True)) for part in parts]},
    }  # fmt: skip
    assert printed(show_backtest, shown) == block("""
        |the book under PP_2024-02-29
        |
        |                    policy   equal weight
        | ────────────────────────────────────────
        | Sharpe ratio         0.50           0.41
        | turnover a year   200.00%
        | cagr                8.12%          7.00%
        |
        |under the values of the sweep
        |
        |                     return   volatility   Sharpe   deflated   Sortino   drawdown   turnover   cost a year
        | ─────────────────────────────────────────────────────────────────────────────────────────────────────────
        | lookback_days=126    12.3%        20.0%     0.50      75.0%               -25.0%      40.0%         0.12%
        | lookback_days=252    12.3%        20.0%     0.60      75.0%      0.91     -25.0%      40.0%         0.12%
        | lookback_days=504    12.3%        20.0%               75.0%               -25.0%     150.0%         0.12%
        |
        |
        | return by exposure    total
        | ───────────────────────────
        | equity                5.12%
        | rates                -0.34%
        |
        |
        | return by sector   allocation   selection   interaction
        | ───────────────────────────────────────────────────────
        | Energy                  0.10%      -0.20%         0.03%
        |
        |paper under PP_2024-02-29
        |
        |                            policy
        | ─────────────────────────────────
        | tail ratio of the year   -100.00%
        |
        |
        |note  a note
    """)
