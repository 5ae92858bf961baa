"""Holdings are added to a portfolio's file, and nothing else of it changes."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from brokers_exports import LAYOUTS
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError, PolicyError
from resources.brokers.export_lines import read_statement
from resources.brokers.holdings import Holdings, Position, holdings, holdings_yaml, with_block
from resources.settings.portfolio_edit import add_holdings, portfolio_path
from resources.settings.portfolios import PortfolioFile
from resources.settings.yaml_files import parse_yaml

HEAD = """\
# our first book
id: 11111111-1111-1111-1111-111111111111
name: first
mode: live   # by hand
universe: all
"""
OLD = "- as_of: 2022-11-30   # the custodian's letter\n  cash: 5\n  positions: {KO: 3}\n"
PLACES = {
    "at the end": HEAD + "holdings:\n" + OLD,
    "indented": HEAD + "holdings:\n" + "".join(f"    {line}\n" for line in OLD.splitlines()),
    "before another key": HEAD + "holdings:  # newest last\n" + OLD + "\n# what we think\nviews: []\n",
    "without a line end": HEAD + "holdings:\n" + OLD.rstrip("\n"),
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("place", sorted(PLACES))
def test_a_block_is_added_and_the_rest_stays(tmp_path: Path, place: str, layout: str) -> None:
    path = tmp_path / "first.yaml"
    path.write_text(PLACES[place])
    held = holdings(read_statement(LAYOUTS[layout], "x.csv"), date(2022, 12, 23))
    block = holdings_yaml(held, "/downloads/x.csv", layout)
    added = add_holdings(path, block)
    assert added is not None and added.as_of == held.as_of and added.cash == 1484.5
    assert {symbol: one.quantity for symbol, one in added.positions.items()} == {"AAPL": 100, "KO": 40.5}
    text = path.read_text()
    kept = text.splitlines()
    assert [line for line in PLACES[place].splitlines() if line not in kept] == []
    assert f"# from 'x.csv' ({layout})" in text
    assert add_holdings(path, block) is None and path.read_text() == text
    found, _ = portfolio_path(tmp_path, "first")
    assert found == path and [one.name for one in tmp_path.iterdir()] == ["first.yaml"]


def test_other_holdings_of_the_same_day_and_a_paper_book_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "first.yaml"
    path.write_text(PLACES["at the end"])
    with pytest.raises(DataError, match="holdings"):
        with_block(HEAD + "holdings: [{as_of: 2022-11-30}]\n", "", "first.yaml")
    block = holdings_yaml(Holdings(date(2022, 11, 30), Decimal(7), ()), "x.csv", "generic")
    with pytest.raises(PolicyError, match="has other holdings of 2022-11-30 already"):
        add_holdings(path, block)
    path.write_text(PLACES["at the end"].replace("mode: live", "mode: paper"))
    with pytest.raises(PolicyError, match="first is a paper book"):
        add_holdings(path, block)
    assert path.read_text() == PLACES["at the end"].replace("mode: live", "mode: paper")


ODD = st.sampled_from(["ON", "NO", "Y", "1E5", "7203"])


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z0-9^][A-Z0-9.^=_/-]{0,5}", fullmatch=True) | ODD,
        st.tuples(st.decimals("0.0001", 10**7, places=4), st.none() | st.decimals(0, 10**5, places=6)),
        max_size=5,
    ),
    st.decimals(1, 10**9, places=2),
)  # fmt: skip
def test_whatever_is_held_comes_back_from_the_yaml(rows, cash) -> None:
    positions = tuple(Position(symbol, *told) for symbol, told in sorted(rows.items()))
    block = holdings_yaml(Holdings(date(2022, 12, 23), cash, positions), "x.csv", "generic")
    found = parse_yaml(HEAD + "holdings:\n" + block, PortfolioFile, "x.yaml").holdings[0]
    assert found.cash == float(cash)
    assert {s: (one.quantity, one.cost_basis) for s, one in found.positions.items()} == {
        s: (float(q), None if c is None else float(c)) for s, (q, c) in rows.items()
    }
