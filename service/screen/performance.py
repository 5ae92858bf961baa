"""How the policy would have done, what the book was worth, and the daily run's weights under two packs."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from service.screen.charts import lines
from service.screen.client import Client
from service.screen.shown import RIGHT, show_table
from service.screen.tables import MONEY, literal, percent, to_csv

Row = dict[str, Any]
WINDOWS = {63: "a quarter", 126: "half a year", 252: "a year"}
NAMES = {"policy": "this policy", "equal_weight": "equal weights", "benchmark": "benchmark"}
PERCENTS = (
    ("Return per year", "annual_return"), ("Volatility", "volatility"), ("Worst drawdown", "max_drawdown"),
    ("Expected shortfall 95%, a day", "expected_shortfall_95"), ("Tracking error", "tracking_error"),
    ("Turnover per year, one way", "turnover"), ("Cost per year", "cost_drag"),
)  # fmt: skip
RATIOS = (
    ("Sharpe ratio", "sharpe"), ("Sortino ratio", "sortino"), ("Calmar ratio", "calmar"), ("Beta", "beta"),
    ("Information ratio", "information_ratio"),
)  # fmt: skip


def show_performance(client: Client, pack: str, name: str, currency: str) -> None:
    """The backtest with its rolling figures, and the book's own value from pack to pack."""
    window = st.selectbox(
        "Rolling window", list(WINDOWS), 1, format_func=lambda days: f"{days} sessions, {WINDOWS[days]}"
    )
    found = client.get(f"/v1/packs/{pack}/performance", portfolio=name, window=window)
    for reason in found["left_out"].values():
        st.info(f"Left out: {literal(reason)}.")
    if found["backtest"]:
        _show_backtest(found["backtest"])
    if found["live"]:
        _show_live(found["live"], currency, found["mode"])


def _show_backtest(backtest: Row) -> None:
    st.subheader("Backtest")
    simulated = " Some prices are simulated: nobody traded these." if backtest["simulated"] else ""
    st.caption(f"Of {backtest['pack_id']}: the policy replayed through the past, with its costs.{simulated}")
    _lines("Growth of 1, log scale", backtest, backtest["growth"], 1.0, log=True, height=360)
    _lines("Drawdown, percent", backtest, backtest["drawdown"], 100.0)
    rows = measure_rows(backtest["strategies"], backtest["measures"], backtest["since"]["policy"])
    show_table(rows, dict.fromkeys([name for name in rows[0] if name != "Measure"], RIGHT))
    rolling = backtest["rolling"]
    st.subheader(f"Over the last {rolling['window']} sessions of each day")
    _lines("Volatility, percent a year", backtest, rolling["volatility"], 100.0)
    _lines("Sharpe ratio", backtest, rolling["sharpe"], 1.0)
    _lines("Beta against the benchmark", backtest, rolling["beta"], 1.0)


def _lines(
    title: str, backtest: Row, values: Row, factor: float, *, log: bool = False, height: int = 280
) -> None:
    """One picture of a series a strategy."""
    shown = [strategy(name) for name in backtest["strategies"] if name in values]
    rows = line_rows(title, backtest["dates"], values, factor)
    st.vega_lite_chart(
        rows, lines(title, shown, log=log, height=height), alt=f"{title} of {', '.join(shown)}, over time"
    )


def strategy(name: str) -> str:
    """A strategy in words; one of a sweep by its key and value."""
    return NAMES.get(name) or (name if "=" in name else name.replace("_", " "))


def line_rows(title: str, dates: Sequence[str], values: Row, factor: float) -> list[Row]:
    """Rows of a chart of lines, the first series above the others; days before the first whole window have none."""
    return [
        {"Date": day, "Strategy": strategy(name), title: round(factor * value, 4)}
        for name, series in reversed(values.items())  # what is drawn last lies on top
        for day, value in zip(dates, series, strict=True)
        if value is not None
    ]


def measure_rows(strategies: Sequence[str], measures: Row, since: str) -> list[Row]:
    """A row a measure, a column a strategy, all on the same days; a dash for what is not known of one."""
    told = [name for name in strategies if name in measures]
    first = [{"Measure": "Measured since"} | {strategy(name): since for name in told}]
    return first + [
        {"Measure": label} | {strategy(name): shown(measures[name].get(key)) for name in told}
        for measured, shown in ((PERCENTS, percent), (RATIOS, _ratio))
        for label, key in measured
    ]


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _show_live(live: Sequence[Row], currency: str, mode: str) -> None:
    st.subheader("The book from pack to pack")
    own = (
        "as its own trades made it"
        if mode == "paper"
        else "as the desk's holdings say: deposits are in it, and not in how far it is below its peak"
    )
    told = any(row["paid_in"] is not None for row in live)
    beside = (
        " The benchmark is the first value, grown by the benchmark of each day: without deposits or costs."
    )
    compared = all(row["benchmark"] is not None for row in live)
    st.caption(f"Value before the trades of each daily run, {own}.{beside if compared else ''}")
    value, other, paid_in = (f"{what} ({currency})" for what in ("Value", "Benchmark", "Paid in"))
    rows = [
        {"Date": row["as_of"], value: row["value"]}
        | ({other: row["benchmark"]} if compared else {})
        | ({paid_in: row["paid_in"]} if told else {})
        | {"Below its peak %": round(100 * row["drawdown"], 2)}
        for row in live
    ]
    if len(rows) > 1:
        drawn = [
            {"Date": row["Date"], "Strategy": name, value: row[column]}
            for name, column in (("book", value), ("benchmark", other))
            for row in rows
            if column in row
        ]
        st.vega_lite_chart(
            drawn,
            lines(value, list(dict.fromkeys(row["Strategy"] for row in drawn)), form=",.0f"),
            alt="Value of the book and of its benchmark; the table below has the same numbers",
        )
    show_table(rows[::-1], {value: MONEY, other: MONEY, paid_in: MONEY, "Below its peak %": "%.2f"})


def show_compare(client: Client, pack: str, name: str, packs: list[str]) -> None:
    """The pipeline's weights under two packs."""
    if len(packs) == 1:
        st.info(f"{pack} is the only fresh pack: there is none to compare it with yet.")
        return
    other = st.selectbox("Compare with", [p for p in packs if p != pack])
    sides = {p: _weights(client, p, name) for p in dict.fromkeys((pack, other))}
    rows = [
        {
            "Symbol": symbol,
            **{f"{p} %": round(100 * weights.get(symbol, 0.0), 2) for p, weights in sides.items()},
            "Change %": round(100 * (sides[pack].get(symbol, 0.0) - sides[other].get(symbol, 0.0)), 2),
        }
        for symbol in sorted({symbol for weights in sides.values() for symbol in weights})
    ]
    st.subheader("Target weights of the daily run")
    show_table(rows, {key: "%.2f" for key in (rows[0] if rows else ()) if key.endswith(" %")})
    st.download_button("Download CSV", to_csv(rows), f"weights-{name}-{pack}-{other}.csv", "text/csv")


def _weights(client: Client, pack: str, name: str) -> dict[str, float]:
    found = client.get(f"/v1/packs/{pack}/weights", portfolio=name)["portfolios"]
    return {row["symbol"]: row["weight"] for portfolio in found for row in portfolio["optimal_weights"]}
