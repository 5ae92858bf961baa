"""What a desk reads of tails: what a book may lose, whether that was foretold, and what it earned from pack to pack."""

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np

from optimizer.factors.attribution import SPECIFIC, linked
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.queries import settings_of
from resources.results.tails.backtests import PACKS, judged
from resources.settings.playbook_schemas.tail_risk import TailFile
from resources.settings.playbooks import SCENARIOS
from resources.store.query_rows import Row, rows


def tail_of(con: Connection, pack: Pack, portfolio_id: str) -> Row | None:
    """The rows of `tail_risk` and, in words, how earlier forecasts did; None where the pack tells no tail of it."""
    found = rows(
        con,
        "select book, method, level, horizon_days, value_at_risk, expected_shortfall, scenarios, value "
        "from latest_tail_risk where pack_id = ? and portfolio_id = ? order by book, level, method",
        [pack.id, portfolio_id],
    )
    if not found:
        return None
    settings = recorded_settings(con, pack)
    tests = judged(con, pack, settings, portfolio_id)
    return {"rows": found, "backtest": tests.sentence(settings), "series": [str(one) for one in tests.tested]}


def recorded_settings(con: Connection, pack: Pack) -> TailFile:
    """How tails were told under a pack: by the configuration of its newest row of the stage."""
    stated = (settings_of(con, pack, "tail_risk", SCENARIOS) or {}).get("tail_risk", {})
    return TailFile.model_validate(stated)


def live_of(
    con: Connection, pack: Pack, portfolio_id: str, start: date | None = None, end: date | None = None
) -> Row | None:
    """What was held earned from pack to pack, and where it came from; None where no two packs tell it.

    start, end  of the days of the packs, both included. Money adds up to the change of value; the linked returns to
    the compound return of what was held, without trades, costs and deposits (OTHER, which is money alone).
    """
    found = rows(
        con,
        f"with packs as ({PACKS}) "
        'select p.pack_id, p.as_of, h.previous_pack, h.kind, h.part, h.factor_group, h."return" as earned, h.money '
        "from latest_held_returns h join packs p using (pack_id) where h.portfolio_id = $2 and h.kind <> 'symbol' "
        "and p.as_of >= coalesce($3, p.as_of) and p.as_of <= coalesce($4, p.as_of) order by p.as_of, h.kind, h.part",
        [pack.as_of, portfolio_id, start, end],
    )
    if not found:
        return None
    days = list(dict.fromkeys(row["as_of"] for row in found))
    listed, money, total = _linked(list(_parts(found)), days)
    return {
        "from": found[0]["previous_pack"], "to": found[-1]["pack_id"], "packs": len(days), "total": total,
        "money": money, "parts": listed,
    }  # fmt: skip


def _parts(found: Sequence[Row]) -> Iterator[Row]:
    """The rows that add up to the change of value; a pack without a factor model tells it of the names alone."""
    by_factor = {row["as_of"] for row in found if row["kind"] == "specific"}
    for row in found:
        if row["kind"] == "held" and row["as_of"] not in by_factor:
            yield row | {"part": SPECIFIC, "kind": "specific"}
        elif row["kind"] in ("factor", "specific", "other"):
            yield row


def _linked(parts: Sequence[Row], days: Sequence[date]) -> tuple[list[Row], float, float]:
    """A row a part, the largest first; the money of them all, and the compound return of what was held."""
    held = [row for row in parts if row["kind"] != "other"]
    names = sorted({row["part"] for row in held})
    place = {part: column for column, part in enumerate(names)}
    table = np.zeros((len(days), len(names)))
    for row in held:
        table[days.index(row["as_of"]), place[row["part"]]] = row["earned"]
    told = linked(table, *[np.zeros_like(table)] * 3)
    money: dict[str, float] = {}
    groups: dict[str, str] = {}
    for row in parts:
        money[row["part"]] = money.get(row["part"], 0.0) + row["money"]
        groups.setdefault(row["part"], row["factor_group"] or row["kind"])
    listed: list[Row] = [
        {
            "part": part, "group": groups[part], "money": earned,
            "contribution": float(told.parts[place[part]]) if part in place else None,
        }
        for part, earned in money.items()
    ]  # fmt: skip
    return sorted(listed, key=lambda row: (-abs(row["money"]), row["part"])), sum(money.values()), told.total
