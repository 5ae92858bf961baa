"""What a stage reads of each portfolio beside the market."""

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from bench import STAMP, new_warehouse

from resources.results.accounts.facts import with_orders
from resources.store.transaction import Versions


def test_lines_that_hold_are_no_orders_and_a_list_of_them_is_a_list(tmp_path: Path) -> None:
    lines = [
        ("both", "AAA", "SELL", 4.5, 1), ("both", "BBB", "HOLD", 0.0, 0), ("both", "CCC", "BUY", 3.0, 2),
        ("rests", "AAA", "HOLD", 0.0, 0),
    ]  # fmt: skip
    rows = pd.DataFrame(lines, columns=["portfolio_id", "symbol", "action", "quantity", "cost"])
    others = [
        "price", "value", "current_quantity", "target_quantity", "current_weight", "target_weight", "achieved_weight",
        "local_price", "fx_rate", "sequence",
    ]  # fmt: skip
    rows = rows.assign(
        **dict.fromkeys(others, 0), simulated=False, rationale="", numbers="{}", currency="USD"
    )
    books = ("both", "none", "rests")
    warehouse = new_warehouse(tmp_path)
    pack: Any = SimpleNamespace(id="PP_2024-01-05")
    snapshots: dict[str, Any] = dict.fromkeys(books, SimpleNamespace())
    with warehouse.write(STAMP) as tx:
        own: dict[str, dict[str, str]] = {book: {} for book in books}
        tx.record_units(
            "trades", pack.id, Versions({"trades": rows}, dict.fromkeys(books, ("trades",)), {}, own)
        )
    with warehouse.live() as con:
        assert with_orders(con, pack, snapshots) == {
            "both": {"orders": {"AAA": (Decimal("-4.5"), 1), "CCC": (3, 2)}},
            "rests": {"orders": {}},
        }
