"""What rebalance rules are held against."""

from pathlib import Path

import pandas as pd
from bench import STAMP
from book_chain import DAYS, Chain, book_file

from resources.accounts.standing import read_standings
from resources.packs.packs import newest_fresh


def test_the_targets_of_two_shares_that_became_one_add_up(tmp_path: Path) -> None:
    book = Chain(tmp_path, book_file("cash: 1000"), AAA=10.0, BBB=10.0)
    before, key = book.cut(DAYS[20]), str(book.file.id)
    frames = {
        "optimal_weights": pd.DataFrame({"symbol": ["AAA", "BBB", "OLD"], "weight": [0.25, 0.25, 0.5]}),
        "optimization_results": pd.DataFrame({"method": ["hrp"], "status": ["optimal"]}),
    }
    with book.warehouse.write(STAMP) as tx:
        tx.record("optimal_weights", frames, pack_id=before.id, portfolio_id=key)
    book.cut(DAYS[21])
    with book.warehouse.live() as con:
        found = read_standings(con, newest_fresh(con, DAYS[21]), [key], {"OLD": "AAA"})
    assert found[key].target == {"AAA": 0.75, "BBB": 0.25}
