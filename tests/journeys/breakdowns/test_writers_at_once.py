"""Processes that write at once leave what one after the other would have left; first starts at once all finish."""

import multiprocessing
from collections.abc import Callable
from datetime import date
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from bench import BOOK, DAYS, STAMP, cut, ingest, price_rows

from pipeline.environment import Environment
from resources.audit.verification import verify_home
from resources.store.warehouse import Warehouse

PATIENCE = 120.0
Operation = Callable[[Warehouse], object]


def deliver(close: float) -> Operation:
    """A delivery that corrects the same day."""

    def run(warehouse: Warehouse) -> None:
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", price_rows(close=close, days=DAYS[-1:]))

    return run


def weigh(weight: float) -> Operation:
    frame = pd.DataFrame({"symbol": ["AAA"], "weight": [weight]})

    def run(warehouse: Warehouse) -> None:
        with warehouse.write(STAMP) as tx:
            tx.record("optimal_weights", {"optimal_weights": frame}, pack_id="p", portfolio_id=BOOK)

    return run


OPERATIONS: tuple[Operation, ...] = (
    deliver(101.0), deliver(102.0), weigh(0.25), weigh(0.5), Warehouse.publish,
    lambda warehouse: cut(warehouse, DAYS[-1]), lambda warehouse: cut(warehouse, date(2024, 1, 8)),
)  # fmt: skip


def started(home: Path) -> Warehouse:
    warehouse = Warehouse(home)
    deliver(100.0)(warehouse)
    return warehouse


def state(warehouse: Warehouse) -> list[list[tuple[object, ...]]]:
    asked = (
        "select symbol, date, close, ingest_seq from prices order by all",
        "select id, asset, pack_id, content_hash from materializations order by id",
        "select pack_id, watermark_seq, revision from pricing_packs order by all",
        "select symbol, weight, materialization from optimal_weights order by all",
    )
    with warehouse.live() as con:
        return [con.execute(sql).fetchall() for sql in asked]


def work(homes: Path, pairs: list[tuple[int, int]], side: int, together: Barrier) -> None:
    for number, pair in enumerate(pairs):
        together.wait(PATIENCE)
        OPERATIONS[pair[side]](Warehouse(homes / str(number)))
    together.wait(PATIENCE)


@pytest.mark.slow
def test_fifty_pairs_of_writers_leave_the_state_of_one_order_or_the_other(tmp_path: Path) -> None:
    dice, context = Random(14), multiprocessing.get_context("spawn")
    pairs = [(dice.randrange(len(OPERATIONS)), dice.randrange(len(OPERATIONS))) for _ in range(50)]
    for number in range(len(pairs)):
        started(tmp_path / str(number))
    together = context.Barrier(2)
    writers = [context.Process(target=work, args=(tmp_path, pairs, side, together)) for side in (0, 1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    for number, (one, other) in enumerate(pairs):
        orders = []
        for name, order in (("first", (one, other)), ("second", (other, one))):
            warehouse = started(tmp_path / f"{number}-{name}")
            for operation in order:
                OPERATIONS[operation](warehouse)
            orders.append(state(warehouse))
        found = Warehouse(tmp_path / str(number))
        assert state(found) in orders, (number, one, other)
        assert verify_home(found).faults == [], (number, one, other)


def start(home: Path, together: Barrier) -> None:
    from pipeline.history import opened_history

    together.wait(PATIENCE)
    with opened_history(
        Environment(home, home, home / "anchors.jsonl", home / "decisions.jsonl")
    ) as instance:
        instance.get_runs()
    with Warehouse(home).live():
        pass


@pytest.mark.slow
def test_four_first_starts_at_once_on_an_empty_home_all_finish(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(4)
    starts = [context.Process(target=start, args=(tmp_path / "home", together)) for _ in range(4)]
    for process in starts:
        process.start()
    for process in starts:
        process.join()
    assert [process.exitcode for process in starts] == [0, 0, 0, 0]
