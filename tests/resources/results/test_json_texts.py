"""Numbers of many rows written at once read as those of each row by itself."""

import math

from hypothesis import given
from hypothesis import strategies as st

from resources.results.stage_outputs import json_text, json_texts

NAMES = st.one_of(st.sampled_from(["current_weight", "drift", "}, {", '"}, {"']), st.text(max_size=5))
ROWS = st.lists(st.dictionaries(NAMES, st.floats(), max_size=4), max_size=6)


@given(ROWS)
def test_rows_at_once_are_the_texts_of_each(rows: list[dict[str, float]]) -> None:
    assert json_texts(rows) == [json_text(row) for row in rows]
    assert json_texts([{"gap": math.inf}, {}]) == ['{"gap": null}', "{}"]
