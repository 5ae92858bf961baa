"""Tables and totals as the desk reads them, on whatever width there is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import streamlit as st

from service.screen.tables import literal

Row = dict[str, Any]
WHOLE, ROW = 25, 35  # rows that a table shows without a bar of its own; pixels of one
RIGHT: Final = "right"  # a column of amounts that are written already
MEANT = {
    "Trade Count": "Buys and sales; lines of the list that hold are none",
    "Turnover": "Buys and sales, of the portfolio's value",
}


def show_table(rows: Sequence[Row], forms: Mapping[str, str] | None = None) -> None:
    """A table whose numbers are written as the desk writes them."""
    written = forms or {}
    columns = {
        name: st.column_config.TextColumn(alignment=RIGHT)
        if form == RIGHT
        else st.column_config.NumberColumn(format=form)
        for name, form in written.items()
    }
    shown = [{name: _unsigned(cell, written.get(name, "")) for name, cell in row.items()} for row in rows]
    # Half a row says that there are more.
    height: Literal["content"] | int = "content" if len(rows) <= WHOLE else ROW * (WHOLE + 1) + ROW // 2
    st.dataframe(shown, hide_index=True, column_config=columns, placeholder="", height=height)


def _unsigned(cell: Any, form: str) -> Any:
    """A number that is written as 0 has no sign: -0.001 in two digits is 0.00, not -0.00."""
    digits = re.search(r"\.(\d+)f", form)
    return 0.0 if digits and isinstance(cell, float) and round(cell, int(digits[1])) == 0 else cell


def show_reasons(reasons: Iterable[tuple[str, str]]) -> None:
    """What each line of a table was chosen for, which its last column has no room for; two may be called the same."""
    with st.expander("Reasons in full"):
        st.markdown("\n".join(f"- **{literal(what)}**: {literal(why)}" for what, why in reasons))


def show_metrics(shown: Mapping[str, str]) -> None:
    """Totals side by side, on more lines where the page is narrow."""
    with st.container(horizontal=True, gap="medium"):
        for label, value in shown.items():
            st.metric(label, value, width="content", help=MEANT.get(label))
