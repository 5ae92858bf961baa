from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bench import DAYS, STAMP, SYMBOLS, ingest, new_warehouse, price_rows, staying_open

from optimizer import DataError
from resources.packs.packs import cut_pack
from resources.packs.point_in_time import read_vintages
from resources.screening.pack_checks import CheckLimits

LATER = replace(STAMP, at=STAMP.at + timedelta(days=3))


def test_a_correction_is_known_from_the_day_on_which_it_was_ingested(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(symbols=SYMBOLS[:2]))
    with warehouse.write(LATER) as tx:
        ingest(tx, "prices", price_rows(close=50.0, symbols=SYMBOLS[:1]))
    with warehouse.write(LATER) as tx:
        pack = cut_pack(tx, date(2024, 1, 8), ["feed"], DAYS, CheckLimits(stale_sessions=9)).pack
    with warehouse.write(LATER) as tx:
        ingest(tx, "prices", price_rows(close=7.0))
    with warehouse.live() as con:
        vintages = read_vintages(con, pack, SYMBOLS[:2], "USD")
        with pytest.raises(DataError, match="no price of ZZZ"):
            read_vintages(con, pack, ["ZZZ"], "USD")
        with pytest.raises(DataError, match="USD/CAD"):
            read_vintages(con, pack, SYMBOLS[:1], "CAD")
    before, after = (
        vintages.known_on(pd.Timestamp("2024-01-07")),
        vintages.known_on(pd.Timestamp("2024-01-08")),
    )
    assert [before.index[0].date(), before.index[-1].date()] == [DAYS[0], DAYS[-1]]
    assert before.iloc[-1].tolist() == [103.0, 103.125]
    assert after.iloc[-1].tolist() == [53.0, 103.125]
    np.testing.assert_allclose(after["AAA"].iloc[2] / after["AAA"].iloc[1], 52.25 / 51)
    with pytest.raises(DataError, match="the first price became known on 2024-01-05"):
        vintages.known_on(pd.Timestamp("2024-01-04"))
