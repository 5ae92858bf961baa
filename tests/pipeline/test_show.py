"""What the terminal shows of numbers that come in ready."""

from rich.console import Console

from pipeline.commands.show import show_backtest, show_variants

MEASURES = {
    "annual_return": 0.1234, "volatility": 0.2, "sharpe": 0.5, "deflated_sharpe": 0.75, "sortino": None,
    "max_drawdown": -0.25, "turnover": 0.4, "cost_drag": 0.0012,
}  # fmt: skip
VARIANTS = {"lookback_days=126": MEASURES, "lookback_days=252": MEASURES | {"sharpe": 0.6}}


def test_a_sweep_is_a_line_a_variant_with_the_number_of_trials() -> None:
    out = Console(record=True, width=160)
    show_variants(out, {
        "pack_id": "PP_2024-02-29", "notes": ["prices of a test"], "portfolios": {"book": VARIANTS},
        "trials": {"book": 2}, "probability_of_overfitting": {"book": 0.4},
    })  # fmt: skip
    text = out.export_text()
    [line] = [line for line in text.splitlines() if line.strip().startswith("lookback_days=126")]
    assert line.split() == [
        "lookback_days=126",
        "12.3%",
        "20.0%",
        "0.50",
        "75.0%",
        "-25.0%",
        "40.0%",
        "0.12%",
    ]
    assert "beats the best of 2 policies without skill" in text
    assert "in 40% of the splits" in text


def test_the_variants_of_a_kept_backtest_have_a_table_of_their_own() -> None:
    out = Console(record=True, width=160)
    show_backtest(out, {
        "pack_id": "PP_2024-02-29", "notes": [], "portfolios": {"book": {"policy": MEASURES, **VARIANTS}},
        "attribution": {},
    })  # fmt: skip
    text = out.export_text()
    assert (
        text.index("cost_drag")
        < text.index("under the values of the sweep")
        < text.index("lookback_days=126")
    )
