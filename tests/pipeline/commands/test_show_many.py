"""What commands show of many portfolios, of accounts a page at a time, and of tails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from printed import printed

from pipeline.commands.books import accounts
from pipeline.commands.printed.show_many import show_summary
from pipeline.commands.printed.show_tails import show_backtest, show_live, show_tail


def said(text: str) -> list[str]:
    """The lines that say something, a space between their words."""
    lines = text.splitlines()
    return [" ".join(line.strip("|").split()) for line in lines if any(letter.isalnum() for letter in line)]


def test_many_portfolios_are_told_by_outcome_by_spread_and_by_the_worst() -> None:
    shown: dict[str, Any] = {
        "pack_id": "PP_A", "as_of": "2024-01-31", "notes": ["two are new"],
        "outcomes": [
            {"portfolios": 7, "trading": 5, "outcome": "solved", "constraints_met": True},
            {"portfolios": 2, "trading": 1, "outcome": "solved", "constraints_met": False},
            {"portfolios": 1, "trading": 0, "outcome": "problem", "constraints_met": None},
        ],
        "spread": [
            {"measure": "turnover", "lowest": 0.0, "median": 0.1, "95%": 0.25, "highest": 0.5},
            {"measure": "sharpe", "lowest": 0.1, "median": 0.2, "95%": 0.3, "highest": 0.4},
        ],
        "worst": [
            {"name": "a", "outcome": "problem", "turnover": None, "cost_bps": None, "reason": "no price of X"},
            {"name": "b", "outcome": "solved", "turnover": 0.5, "cost_bps": 12.5, "reason": None},
        ],
    }  # fmt: skip
    assert said(printed(show_summary, shown)) == [
        "PP_A as of 2024-01-31", "portfolios that trade outcome limits",
        "7 5 solved hold", "2 1 solved do not all hold", "1 0 problem",
        "lowest median 95% highest",
        "turnover, one way 0.0% 10.0% 25.0% 50.0%", "sharpe 0.10 0.20 0.30 0.40",
        "the worst", "turnover cost bps why", "a problem no price of X",
        "b solved 50.0% 12.50",
        "one of them: packfolio trades --portfolio NAME", "note two are new",
    ]  # fmt: skip
    # No "why".
    assert "turnover cost bps" in said(printed(show_summary, shown | {"worst": shown["worst"][1:]}))


@pytest.mark.parametrize(("days", "told"), [(1, "1 session"), (5, "5 sessions")])
def test_a_tail_is_told_in_percent_and_in_money(days: int, told: str) -> None:
    row = {
        "horizon_days": days, "book": "held", "method": "historical", "level": 0.975, "value_at_risk": 0.02,
        "expected_shortfall": 0.035, "value": 20_000.0, "scenarios": 500,
    }  # fmt: skip
    found = said(printed(lambda out, rows: show_tail(out, "book", "CAD", rows), [row]))
    assert found[0] == f"book: value at risk and expected shortfall over {told}"
    assert found[-1] == "held historical 97.5% 2.00% 400 3.50% 700 500"


def test_what_came_of_tails_is_told_in_words_and_what_was_earned_by_part() -> None:
    tail = {"backtest": "1 series fails a test", "series": ["book, 99%: 9 of 60"]}
    assert printed(show_backtest, tail).splitlines() == ["|1 series fails a test", "|book, 99%: 9 of 60"]
    for packs, word in ((1, "1 pack"), (2, "2 packs")):
        told = {
            "from": "2024-01-30", "to": "2024-01-31", "packs": packs, "money": 1500.4, "total": 0.015,
            "parts": [{"part": "market", "money": 2000.0, "contribution": 0.02}],
        }  # fmt: skip
        assert said(printed(lambda out, told: show_live(out, "book", "CAD", told), told)) == [
            f"book: the book from pack to pack, 2024-01-30 to 2024-01-31, {word}",
            "CAD return", "market 2,000 2.00%", "in all 1,500 1.50%",
        ]  # fmt: skip


def test_accounts_are_listed_a_page_at_a_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def reader() -> Iterator[str]:
        yield "con"

    account = {
        "key": "a1",
        "mode": "live",
        "base_currency": "EUR",
        "value": 1234.5,
        "costs": None,
        "turnover": 0.125,
    }
    page: dict[str, Any] = {
        "pack_id": "PP",
        "there": 3,
        "counts": [{"model": "m", "accounts": 3}],
        "accounts": [account],
    }
    asked: list[Any] = []
    monkeypatch.setattr(accounts, "reader", reader)
    monkeypatch.setattr("resources.packs.packs.latest_fresh", lambda con: type("Pack", (), {"id": "PP_NEW"}))
    monkeypatch.setattr(
        "resources.results.account_list.accounts_page",
        lambda con, pack, wanted: asked.append((pack, wanted)) or page,
    )
    accounts.list_accounts(model="m", limit=1, offset=1)
    lines = said(capsys.readouterr().out)
    assert "a1 live 1,234.50 EUR 12.5%" in lines and "m 3" in lines
    assert lines[-1] == "2 of 3; go on with --offset 2"
    accounts.list_accounts(pack="PP_OLD", offset=2)
    assert "go on" not in capsys.readouterr().out
    assert [(pack, one.model, one.limit, one.offset) for pack, one in asked] == [
        ("PP_NEW", "m", 1, 1), ("PP_OLD", None, 50, 2),
    ]  # fmt: skip
    page["there"] = 0
    accounts.list_accounts(search="nobody")
    assert capsys.readouterr().out.startswith("no account of PP is like that")
    accounts.list_accounts(as_json=True)
    assert '"there": 0' in capsys.readouterr().out
