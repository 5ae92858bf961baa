"""The Yahoo source with a client that answers from memory; the real one is asked under the network marker."""

from datetime import date

import pandas as pd
import pytest

from resources.prices.files import Reading
from resources.prices.source import Delivery, FileRejected
from resources.prices.yahoo import (
    Client,
    Unreachable,
    YahooSource,
    as_csv,
    has_split,
    patiently,
    yfinance_client,
)

START, TODAY = date(2020, 1, 1), date(2020, 8, 31)
HEADER = "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits\n"
CALM = "2020-08-27,1,1,1,125.01,123.5,100,0.0,0.0\n2020-08-28,1,1,1,124.81,123.3,100,0.205,0.0\n"
SPLIT = "2020-08-31,1,1,1,129.04,127.5,100,0.0,4.0\n"


class Answers:
    """A client that keeps what it was asked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[tuple[str, date, date]] = []

    def __call__(self, symbol: str, first: date, end: date) -> bytes:
        self.asked.append((symbol, first, end))
        if symbol == "NONE":
            raise Unreachable("NONE: no answer")
        return (HEADER + self.text).encode()


def source(client: Client, *symbols: str) -> YahooSource:
    return YahooSource(
        "yahoo", symbols or ("AAPL",), START, TODAY, client, Reading("yahoo", "USD", "split_adjusted")
    )


def seen_nothing(key: str) -> bool:
    return False


def test_an_answer_becomes_a_split_adjusted_delivery_with_its_payload() -> None:
    client = Answers(CALM + SPLIT)
    (one,) = source(client).deliveries(None, None, seen_nothing)
    assert isinstance(one, Delivery)
    assert client.asked == [("AAPL", START, date(2020, 9, 1))]
    assert (one.basis, one.payload_name) == ("split_adjusted", "AAPL.csv")
    assert one.payload == (HEADER + CALM + SPLIT).encode()
    assert one.rows["dividend"].to_pylist() == [0.0, 0.205, 0.0]
    assert one.rows["split"].to_pylist() == [1.0, 1.0, 1.0]


def test_new_days_are_asked_with_an_overlap() -> None:
    client = Answers(CALM)
    assert len(list(source(client).deliveries(date(2020, 8, 28), None, seen_nothing))) == 1
    assert client.asked == [("AAPL", date(2020, 8, 18), date(2020, 9, 1))]


def test_a_split_fetches_the_whole_restated_history() -> None:
    client = Answers(CALM + SPLIT)
    list(source(client).deliveries(date(2020, 8, 28), None, seen_nothing))
    assert [first for _, first, _ in client.asked] == [date(2020, 8, 18), START]
    assert has_split((HEADER + SPLIT).encode())
    assert not has_split((HEADER + CALM).encode())


def test_one_symbol_without_an_answer_does_not_stop_the_others() -> None:
    refused, good = source(Answers(CALM), "NONE", "AAPL").deliveries(None, None, seen_nothing)
    assert isinstance(refused, FileRejected)
    assert refused.findings[0].code == "UNREACHABLE"
    assert isinstance(good, Delivery)


def test_the_same_answer_is_not_delivered_twice() -> None:
    (one,) = source(Answers(CALM)).deliveries(None, None, seen_nothing)
    assert isinstance(one, Delivery)
    assert list(source(Answers(CALM)).deliveries(None, None, {one.key}.__contains__)) == []


def test_failures_that_may_pass_are_retried_with_growing_pauses() -> None:
    waits: list[float] = []
    left = [OSError("reset"), OSError("reset")]

    def flaky(symbol: str, first: date, end: date) -> bytes:
        if left:
            raise left.pop()
        return b"answer"

    patient = patiently(flaky, 1.0, 5, waits.append, (OSError,))
    assert patient("AAPL", START, TODAY) == b"answer"
    assert waits == [1.0, 2.0, 4.0]


def test_patience_ends() -> None:
    def dead(symbol: str, first: date, end: date) -> bytes:
        raise OSError("no route")

    with pytest.raises(Unreachable, match=r"no answer in 3 attempts .*no route"):
        patiently(dead, 0.0, 3, lambda seconds: None, (OSError,))("AAPL", START, TODAY)


def test_a_frame_is_kept_at_full_precision_with_the_dates_of_the_exchange() -> None:
    when = pd.DatetimeIndex(["2020-08-28", "2020-08-31"], tz="America/New_York")
    frame = pd.DataFrame({"Close": [124.80750274658203, 129.0399932861328], "Capital Gains": 0.0}, index=when)
    assert (
        as_csv("AAPL", frame) == b"Date,Close\n2020-08-28,124.80750274658203\n2020-08-31,129.0399932861328\n"
    )
    with pytest.raises(Unreachable, match="correct the symbol"):
        as_csv("APPL", frame[:0])


def test_capital_gains_that_dividends_do_not_count_are_dividends() -> None:
    """They were dropped: a fund that paid 2.5 of gains and 0.25 of dividends had paid 0.25."""
    when = pd.DatetimeIndex(["2020-12-17", "2020-12-18", "2020-12-21"], tz="America/New_York")
    paid = {"Dividends": [0.25, 3.0, 0.5], "Capital Gains": [2.5, 2.5, 0.0]}
    frame = pd.DataFrame(paid, index=when)
    assert as_csv("FUND", frame) == b"Date,Dividends\n2020-12-17,2.75\n2020-12-18,3.0\n2020-12-21,0.5\n"
    assert list(frame.columns) == ["Dividends", "Capital Gains"]


@pytest.mark.network
def test_yahoo_itself() -> None:
    (one,) = source(yfinance_client(1.0, 3)).deliveries(None, None, seen_nothing)
    assert isinstance(one, Delivery)
    assert one.rows.num_rows > 150
