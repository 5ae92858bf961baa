"""A desk that signs, with a pack, three stages that rest on each other, and the proof of a trade."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from bench import BOOK, DAYS, STAMP, cut, ingest, price_rows

from resources.proofs.checkpoints import lines_about_keys, rooted_lines
from resources.proofs.proving import Witnessed, prove
from resources.store.warehouse import Warehouse

PACK = "PP_2024-01-05"
WEIGHTS = pd.DataFrame({"symbol": ["AAA", "BBB", "CCC"], "weight": [0.25, 0.5, 0.25]})
ESTIMATES = pd.DataFrame(
    {"recipe": "plain", "symbol": ["AAA", "BBB", "CCC"], "expected_return": [0.05, 0.06, 0.07]}
)
TRADES = pd.DataFrame({
    "symbol": ["AAA", "BBB"], "action": ["BUY", "SELL"], "quantity": [3.0, 4.0], "price": [100.0, 101.5],
    "value": [300, 406], "cost": [1, 2], "rationale": ["no doubt", "a unit separator \x1f inside, and ümlauts"],
    "current_quantity": [0.0, 9.0], "target_quantity": [3.0, 5.0], "currency": ["USD", "USD"], "fx_rate": [1.0, 1.0],
})  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A desk that signs, the checkpoint of an early day, and the proof of a trade of a later one."""

    store: Warehouse
    public: Path
    early: dict[str, Any]
    proof: dict[str, Any]

    def prove(
        self, table: str, *key: str, since: Sequence[int] = (), cosigned: Sequence[Mapping[str, object]] = ()
    ) -> dict[str, Any]:
        lines = rooted_lines(self.store, STAMP.at)
        on = Witnessed(lines, cosigned, since, bool(cosigned), lines_about_keys(self.store.anchor))
        with self.store.live() as con, self.store.tree.read(con) as tree:
            found: dict[str, Any] = prove(con, tree, table, key, on)
        return json.loads(json.dumps(found))


def fill(home: Path) -> Warehouse:
    """Prices, a correction of one date, a pack, and three stages that rest on each other."""
    store = Warehouse(home)
    with store.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    with store.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=101.0, days=DAYS[-1:], symbols=("AAA",)))
    pack = cut(store, DAYS[-1])
    seen = {"pricing_pack": pack.content_hash}
    with store.write(STAMP) as tx:
        estimates = tx.record(
            "return_estimates", {"return_estimates": ESTIMATES}, pack_id=pack.id, inputs=seen
        )
    inputs = seen | {"return_estimates": estimates.content_hash}
    with store.write(STAMP) as tx:
        weights = tx.record(
            "optimal_weights", {"optimal_weights": WEIGHTS}, pack_id=pack.id, portfolio_id=BOOK, inputs=inputs
        )
    inputs |= {"optimal_weights": weights.content_hash, "previous_state": "f" * 64}
    with store.write(STAMP) as tx:
        tx.record("trades", {"trades": TRADES}, pack_id=pack.id, portfolio_id=BOOK, inputs=inputs)
    return store
