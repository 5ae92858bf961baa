"""The sidebar's limits: each as a slider and as a number, and what the chosen method alone asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

Row = dict[str, Any]
FIRST = ("mean_variance", "risk_parity", "max_sharpe", "cvar")  # the seed's four
CAPS = ("target_volatility_pct",)  # a limit under every method, though one has its name


@dataclass(frozen=True)
class Limit:
    """One limit of a policy.

    free   the end of the slider that is no limit, None where there is always a number
    least  what no number may be below;  usual  what holds where nothing is said
    """

    key: str
    label: str
    low: float
    high: float
    step: float
    free: float | None
    least: float = 0.0
    usual: float | None = None
    told: str | None = None


LIMITS = (
    Limit("min_quality_score", "Minimum Quality Score", 0.0, 10.0, 0.5, 0.0),
    Limit("max_turnover_pct", "Maximum Turnover %", 0.0, 200.0, 5.0, 200.0,
          told="Buys and sales, of the portfolio's value"),
    Limit("max_single_position_pct", "Maximum Position %", 1.0, 100.0, 1.0, 100.0),
    Limit("max_sector_pct", "Maximum Sector %", 1.0, 100.0, 1.0, 100.0),
    Limit("max_risk_share_pct", "Maximum Share of Risk %", 1.0, 100.0, 1.0, 100.0,
          told="What one name may contribute to the portfolio's variance"),
    Limit("lookback_days", "Days of history", 63.0, 1260.0, 21.0, None, 2.0, 252.0),
)  # fmt: skip
OF_SHORT = (
    Limit("borrow_fee_pct", "Borrow Fee %", 0.0, 20.0, 0.25, None, usual=0.0,
          told="A year, of what is sold short; a name with a fee of its own keeps it"),
)  # fmt: skip


def chosen_limits(policy: Row, catalogue: Row, where: str) -> Row:
    """The portfolio's policy with what the sidebar says in its place; `where` tells portfolios and packs apart."""
    methods = [*FIRST, *(name for name in catalogue["methods"] if name not in FIRST)]
    method = st.selectbox(
        "Optimization Method", methods, methods.index(policy["method"]), key=f"method {where}"
    )
    chosen: Row = {"method": method, **own_keys(method, policy, catalogue["method_keys"], where)}
    for limit in LIMITS if policy.get("long_only", True) else (*LIMITS, *OF_SHORT):
        chosen[limit.key] = entry(limit, policy.get(limit.key, limit.usual), where)
    chosen["limits"] = written_lines(policy, where)
    chosen["lookback_days"] = int(chosen["lookback_days"])
    left = left_over(method, policy, catalogue["method_keys"])
    if left:
        st.caption(f"{method} cannot count {', '.join(map(words, left))}: left out here.")
    return {key: value for key, value in policy.items() if key not in left} | chosen


def written_lines(policy: Row, where: str) -> list[str]:
    """The policy's lines of text, as they are typed, one a line."""
    told = st.text_area(
        "Limits in words", "\n".join(policy.get("limits") or ()), height="content", key=f"lines {where}",
        help="One a line, by symbol, sector, exposure or factor: Technology <= 30%; factor:momentum <= 0.2; "
        "active:size >= -0.1 against the benchmark; risk:AAPL <= 10% of the variance.",
        placeholder="Technology <= 30%",
    )  # fmt: skip
    return [line.strip() for line in told.splitlines() if line.strip()]


def left_over(method: str, policy: Row, known: Row) -> list[str]:
    """Keys that the policy gives its own method, and that another one refuses."""
    own = known["methods"].get(policy["method"], ())
    taken = (*known["methods"].get(method, ()), *CAPS)
    plain = {key: known["keys"][key].get("default") for key in own}
    return [
        key for key in own if key not in taken and policy.get(key, plain[key]) not in (plain[key], None, {})
    ]


def entry(limit: Limit, value: float | None, where: str) -> float | None:
    """A slider and a number of the same limit; the number is what counts, as exact as it is, and empty for none."""
    slider, number = f"slider {limit.key} {where}", f"number {limit.key} {where}"
    if number not in st.session_state:
        st.session_state[number] = None if value is None else float(value)
        st.session_state[slider] = on_slider(limit, value)

    def slid() -> None:
        at = st.session_state[slider]
        st.session_state[number] = None if at == limit.free else at

    def typed() -> None:
        st.session_state[slider] = on_slider(limit, st.session_state[number])

    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.slider(
        limit.label,
        limit.low,
        limit.high,
        step=limit.step,
        format="%g",
        key=slider,
        on_change=slid,
        help=limit.told,
    )
    found: float | None = right.number_input(
        f"{limit.label}, exact", limit.least, None, value=None, step=limit.step, format="%g",
        key=number, on_change=typed, placeholder="no limit", label_visibility="collapsed",
    )  # fmt: skip
    return limit.usual if found is None else found


def on_slider(limit: Limit, value: float | None) -> float:
    """Where the slider stands for a value: at its free end for none, and at an end for what is beyond it."""
    if value is None:
        return limit.free if limit.free is not None else limit.usual or limit.low
    return min(max(float(value), limit.low), limit.high)


def own_keys(method: str, policy: Row, known: Row, where: str) -> Row:
    """What the method alone is asked, by the schema that the API tells."""
    found: Row = {}
    for key in known["methods"].get(method, ()):
        schema = known["keys"][key]
        value = policy.get(key, schema.get("default"))
        place = f"own {key} {method} {where}"
        if "enum" in schema:
            options = schema["enum"]
            found[key] = st.selectbox(
                words(key), options, options.index(value), key=place, help=schema["description"]
            )
        elif schema.get("type") == "object":
            told = st.text_area(
                words(key), to_lines(value or {}), height="content", key=place, help=schema["description"],
                placeholder="one NAME and percent a line",
            )  # fmt: skip
            found[key] = from_lines(told, words(key))
        else:
            found[key] = _number(key, value, schema, place)
    return found


def _number(key: str, value: float | None, schema: Row, place: str) -> float | None:
    kinds = schema.get("anyOf", [schema])
    least, most = (
        next((float(kind[name]) for kind in kinds for name in names if name in kind), None)
        for names in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))
    )
    step = 0.001 if schema.get("default") == 0.001 else 0.05
    if place not in st.session_state:
        st.session_state[place] = None if value is None else float(value)
    found: float | None = st.number_input(
        words(key), least, most, None, step, "%g", place, schema["description"], placeholder="none"
    )  # fmt: skip
    return schema.get("default") if found is None else found


class LineError(Exception):
    """A line of shares cannot be read."""


def to_lines(shares: Mapping[str, float]) -> str:
    """Shares as text, a name and its percent a line."""
    return "\n".join(f"{name} {share:g}" for name, share in shares.items())


def from_lines(text: str, what: str) -> dict[str, float]:
    """The shares of such a text; raises LineError naming the line that is none."""
    found: dict[str, float] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, share = line.replace(":", " ").replace("%", " ").strip().rpartition(" ")
        try:
            found[name.strip()] = float(share)
        except ValueError:
            name = ""
        if not name:
            raise LineError(f"{what}: {line!r} is no name with a percentage; write it as in SPY 40")
    return found


def words(key: str) -> str:
    """A policy's key as a label."""
    said = key.replace("_", " ").strip()
    percent = said.endswith(" pct")
    return said.removesuffix(" pct").capitalize() + (" %" if percent else "")


def differences(asked: Row, now: Row) -> list[str]:
    """What was asked and is not what the sidebar says now, a limit a line."""
    keys = [key for key in dict.fromkeys((*asked, *now)) if asked.get(key) != now.get(key)]
    named = {limit.key: limit.label for limit in (*LIMITS, *OF_SHORT)}
    return [
        f"{named.get(key, words(key))} was {_shown(asked.get(key))} and is {_shown(now.get(key))}"
        for key in keys
    ]


def _shown(value: Any) -> str:
    if value is None or value == {}:
        return "not limited"
    return f"{value:g}" if isinstance(value, float) else str(value)
