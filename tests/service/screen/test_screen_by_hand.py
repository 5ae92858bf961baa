"""What is handed to the browser: formats, descriptions and which button is the first."""

from unittest.mock import MagicMock

import pytest
import streamlit as st
from screen_api import Api, run

from service.screen import panels, shown


def test_a_table_has_the_format_of_each_column_and_no_minus_before_a_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = MagicMock()
    monkeypatch.setattr(shown.st, "dataframe", told)
    shown.show_table([{"Symbol": "A", "Cost": -0.001}], {"Cost": "%.2f"})
    told.assert_called_once_with(
        [{"Symbol": "A", "Cost": 0.0}], hide_index=True, placeholder="", height="content",
        column_config={"Cost": st.column_config.NumberColumn(format="%.2f")},
    )  # fmt: skip


def test_the_frontiers_picture_says_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    page, client = MagicMock(), MagicMock()
    client.execute.return_value = {"points": [], "current": None, "warnings": []}
    monkeypatch.setattr(panels, "st", page)
    monkeypatch.setattr(panels, "show_table", lambda *what: None)
    panels.show_frontier(client, "PP_2024-02-29", "book", {}, None)
    (drawn,) = page.vega_lite_chart.call_args_list
    assert drawn.kwargs["alt"] == "Expected return over volatility; the table below has the same numbers"


def test_the_button_that_asks_for_trades_is_the_first_of_the_page(api: Api) -> None:
    page = run()
    assert {one.key: one.proto.type for one in page.button if one.key == "generate"} == {
        "generate": "primary"
    }
    assert all(one.proto.type == "secondary" for one in page.button if one.key != "generate")


def test_two_lines_that_are_called_the_same_have_both_their_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two puts on one fund at two strikes are both "BUY SPY PUT"."""
    page = MagicMock()
    monkeypatch.setattr(shown, "st", page)
    shown.show_reasons([("BUY SPY PUT", "the first"), ("BUY SPY PUT", "the second")])
    page.markdown.assert_called_once_with("- **BUY SPY PUT**: the first\n- **BUY SPY PUT**: the second")
