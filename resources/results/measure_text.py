"""The measures of a history, and the reasons of trades, in the words and the form in which people read them."""

from collections import Counter
from collections.abc import Mapping, Sequence

OFTEN = 5  # times that a cause is read before it is said once, below
AMOUNTS = ("final_value", "total_cost", "borrow_fees")
RATIOS = (
    "sharpe", "sortino", "calmar", "omega", "beta", "information_ratio", "skewness", "kurtosis", "ulcer",
)  # fmt: skip
# Group -> metric -> what it is called, and what it says.
GROUPS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Return": {
        "total_return": ("total return", "all that was earned, compounded"),
        "annual_return": ("return a year", "compound growth a year"),
        "benchmark_return": ("benchmark's return a year", "compound growth of the benchmark on the same days"),
        "best_day": ("best day", "largest gain of one day"),
        "worst_day": ("worst day", "largest loss of one day"),
        "hit_rate": ("days with a gain", "share of all days"),
        "final_value": ("value at the end", "in the base currency"),
    },
    "Risk": {
        "volatility": ("volatility a year", "standard deviation of the daily returns, a year"),
        "max_drawdown": ("deepest fall", "from a peak to the lowest close after it"),
        "max_drawdown_days": ("days of the deepest fall", "from its peak until it was made good, or to the end"),
        "longest_drawdown_days": ("longest time below a peak", "in days"),
        "value_at_risk_95": ("value at risk, 95%", "one day in twenty loses more than this"),
        "expected_shortfall_95": ("expected shortfall, 95%", "mean loss of the worst day in twenty"),
        "skewness": ("skewness", "below 0 the large moves are losses"),
        "kurtosis": ("kurtosis", "3 for a normal distribution; more means fatter tails"),
    },
    "Return for its risk": {
        "sharpe": ("Sharpe ratio", "return above cash for one unit of volatility"),
        "sharpe_low": ("Sharpe, low end", "of the 95% interval, under returns that are not normal"),
        "sharpe_high": ("Sharpe, high end", "of the same interval"),
        "probabilistic_sharpe": ("chance that Sharpe is above 0", "of the true ratio, given so many days"),
        "deflated_sharpe": ("the same after all trials", "against the best of as many strategies without skill"),
        "sortino": ("Sortino ratio", "return above cash for one unit of downside deviation"),
        "calmar": ("Calmar ratio", "return a year for one unit of the deepest fall"),
        "omega": ("Omega ratio", "gains above cash for one unit of shortfalls"),
    },
    "Against the benchmark": {
        "beta": ("beta", "move for one move of the benchmark"),
        "alpha": ("alpha a year", "return that beta does not explain"),
        "tracking_error": ("tracking error a year", "standard deviation of the difference"),
        "information_ratio": ("information ratio", "difference a year for one unit of tracking error"),
        "up_capture": ("up capture", "share of the benchmark's mean gain on its rising days"),
        "down_capture": ("down capture", "share of its mean loss on its falling days"),
        "hit_rate_against_benchmark": ("days ahead of the benchmark", "share of all days"),
    },
    "Trading": {
        "turnover": ("turnover a year", "one-way, a fraction of the NAV"),
        "cost_drag": ("costs a year", "as a fraction of the NAV"),
        "total_cost": ("costs in all", "in the base currency"),
        "borrow_fees": ("borrow fees in all", "of short positions, in the base currency"),
        "trade_count": ("trades", "orders that were carried out"),
        "rebalance_count": ("rebalances", "closes at which the policy traded"),
        "stopped_count": ("trades that could not be made", "for want of a price"),
        "skipped_count": ("decisions without an answer", "the weights of the day before were kept"),
        "average_cash": ("cash on average", "a fraction of the NAV"),
    },
}  # fmt: skip

PARTS = {
    "SPECIFIC": "the names by themselves", "OTHER": "other", "COSTS": "costs", "CASH": "cash", "TRADING": "trading",
    "DELAY": "delay",
}  # fmt: skip


def part_name(part: str, breakdown: str = "") -> str:
    """A part of a return or a risk as people read it: an exposure in words, a factor or symbol by its own name."""
    return part.replace("_", " ").lower() if breakdown == "exposure" else PARTS.get(part, part)


def measure_form(metric: str) -> str:
    """ "count", "money", "ratio" or "percent": how the numbers of a measure are written."""
    if metric.endswith(("_count", "_days")):
        return "count"
    if metric in AMOUNTS:
        return "money"
    return "ratio" if metric.startswith(RATIOS) else "percent"


def measure_text(value: float | None, metric: str) -> str:
    """Counts and days whole, money and ratios at two decimals, everything else in percent; nothing for None or NaN."""
    if value is None or value != value:
        return ""
    form = measure_form(metric)
    if form == "count":
        return f"{value:,.0f}"
    return f"{100 * value:.2f}%" if form == "percent" else f"{value:,.2f}"


def shared_cause(rationales: Sequence[str]) -> tuple[list[str], str]:
    """The reasons with a mark for the cause that most of them have, and that cause; "" where few have one."""
    told = [(text, causes.split("; ")) for text, _, causes in (said.partition(": ") for said in rationales)]
    times = Counter(cause for _, causes in told for cause in causes if cause)
    often = max(times, key=lambda cause: (times[cause], cause), default="")
    if times[often] < OFTEN:
        return list(rationales), ""
    marked = []
    for text, causes in told:
        own = "; ".join(cause for cause in causes if cause != often)
        marked.append(f"{text}: {own}" if own else text)
        marked[-1] += " \u00b9" if often in causes else ""
    return marked, f"\u00b9 {often}"
