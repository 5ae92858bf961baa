"""A measure of a backtest in the form in which people read it."""

AMOUNTS = ("final_value", "total_cost")
RATIOS = (
    "sharpe", "sortino", "calmar", "omega", "beta", "information_ratio", "skewness", "kurtosis", "ulcer",
)  # fmt: skip


def measure_text(value: float | None, metric: str) -> str:
    """Counts and days whole, money and ratios at two decimals, everything else in percent; nothing for None or NaN."""
    if value is None or value != value:
        return ""
    if metric.endswith(("_count", "_days")):
        return f"{value:,.0f}"
    if metric in AMOUNTS or metric.startswith(RATIOS):
        return f"{value:,.2f}"
    return f"{100 * value:.2f}%"
