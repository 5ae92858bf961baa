"""What a delivery's rows are given before they are stored."""

from resources.logs.storing import in_own_currencies
from resources.prices.files import Reading, read_delivery
from resources.prices.source import Delivery

ROWS = b"symbol,date,close,dividend\nB,2024-01-02,1,0\nA,2024-01-02,2,0\nB,2024-01-03,3,0\nC,2024-01-03,4,0\n"


class Units(dict[str, str]):
    """Symbol -> currency; remembers what was asked."""

    def __init__(self, **units: str) -> None:
        super().__init__(units)
        self.asked: list[str] = []

    def get(self, symbol: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.asked.append(symbol)
        return super().get(symbol, default)


def delivery() -> Delivery:
    return read_delivery(ROWS, "prices.csv", "sha", "key", Reading("inbox", "USD"))


def test_each_row_gets_the_currency_of_its_symbol_which_is_looked_up_once() -> None:
    """Of five million rows each symbol was spelled out and looked up: eight seconds."""
    told, units = delivery(), Units(A="GBX", C="EUR")
    found = in_own_currencies(told, units)
    assert found.rows["currency"].to_pylist() == ["USD", "GBX", "USD", "EUR"]
    assert found.withdrawn["currency"].to_pylist() == []
    assert sorted(units.asked) == ["A", "B", "C"]


def test_rows_of_the_sources_own_currency_stay_as_they_are() -> None:
    told, units = delivery(), Units(A="USD")
    assert in_own_currencies(told, units) is told
    assert sorted(units.asked) == ["A", "B", "C"]
