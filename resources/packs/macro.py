"""Macro series as a pack knew them, and the regime that they look like, as rows."""

import pandas as pd

from optimizer import Observation
from optimizer.risk.regime_detector import Detection
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack

Series = dict[str, list[Observation]]


def read_macro(con: Connection, pack: Pack) -> Series:
    """Of each series and day the newest value that was published by the pack's date: a later revision is not seen."""
    rows = con.execute(
        "select series, date, known_at, value from macro_series where known_at <= $1 and ingest_seq <= $2 "
        "qualify row_number() over (partition by series, date order by known_at desc, ingest_seq desc) = 1 "
        "order by series, date",
        [pack.as_of, pack.watermark],
    ).fetchall()
    found: Series = {}
    for series, day, known_at, value in rows:
        found.setdefault(str(series), []).append(Observation(day, known_at, float(value)))
    return found


def regime_frames(detection: Detection) -> dict[str, pd.DataFrame]:
    """Rows of `regimes`, none where nothing is detected, and of `regime_drivers`, always one an indicator."""
    scores = [
        {"regime": regime, "score": score, "detected": regime == detection.regime}
        for regime, score in detection.scores.items()
    ]
    drivers = [vars(driver) for driver in detection.drivers]
    return {
        "regimes": pd.DataFrame(scores, columns=["regime", "score", "detected"]),
        "regime_drivers": pd.DataFrame(
            drivers, columns=["series", "date", "known_at", "value", "z_score", "points", "problem"]
        ),
    }
