"""Prices between the dates on which some names are priced: what is made of a name once."""

import numpy as np

from optimizer.typing import Array
from resources.results.sensitivities.priced_dates import Beside


def test_columns_of_names_are_made_once_and_stand_in_the_order_asked_for() -> None:
    made: list[str] = []

    def column(symbol: str) -> Array:
        made.append(symbol)
        return np.array([ord(symbol), len(made)], dtype=float)

    kept = Beside()
    for asked in ("BA", "CAB", "B", "EDCBA"):
        found = kept.of(asked, column)
        assert [*map(chr, found[0].astype(int))] == [*asked]
        assert found.flags.c_contiguous
    assert made == [*"BACED"]
    assert found[1].tolist() == [4.0, 5.0, 3.0, 1.0, 2.0]
