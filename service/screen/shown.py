"""Tables and totals as the desk reads them, on whatever width there is."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

Row = dict[str, Any]
MEANT = {
    "Trade Count": "Lines of the list, those that hold included",
    "Turnover": "Buys and sales, of the portfolio's value",
}


def show_table(rows: Sequence[Row], forms: Mapping[str, str] | None = None) -> None:
    """A table whose numbers are written as the desk writes them."""
    columns = {name: st.column_config.NumberColumn(format=form) for name, form in (forms or {}).items()}
    st.dataframe(list(rows), hide_index=True, column_config=columns, placeholder="")


def show_metrics(shown: Mapping[str, str]) -> None:
    """Totals side by side, on more lines where the page is narrow."""
    with st.container(horizontal=True, gap="medium"):
        for label, value in shown.items():
            st.metric(label, value, width="content", help=MEANT.get(label))
