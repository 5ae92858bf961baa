"""Yahoo's daily history through yfinance: politely, with retries, the answer kept as it came."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from optimizer import DataError
from resources.prices.files import Reading, read_delivery
from resources.prices.source import Delivery, FileRejected, Finding, Seen, delivery_key, refusing

# (symbol, first day, day after the last) -> the answer as a CSV file with Yahoo's column names
Client = Callable[[str, date, date], bytes]
OVERLAP = timedelta(days=10)


class Unreachable(DataError):  # noqa: N818  says what happened
    """The vendor gave no answer, or none that holds prices."""


@dataclass(frozen=True)
class YahooSource:
    """A download per symbol, from `start` or some days before what is asked for, to `today`.

    Yahoo's closes are split-adjusted: a split restates all history. When the days asked for hold one, the
    whole history is fetched again and enters the log as corrections.
    """

    name: str
    symbols: tuple[str, ...]
    start: date
    today: date
    client: Client
    reading: Reading

    def deliveries(
        self, since: date | None, until: date | None, seen: Seen
    ) -> Iterator[Delivery | FileRejected]:
        """One delivery a symbol; a symbol without an answer is yielded as its error."""
        end = (until or self.today) + timedelta(days=1)
        for symbol in self.symbols:
            name = f"{symbol}.csv"
            try:
                first = max(since - OVERLAP, self.start) if since else self.start
                with refusing(name):  # whatever the vendor's library makes of an answer concerns one symbol
                    payload = self.client(symbol, first, end)
                    if first > self.start and has_split(payload):
                        payload = self.client(symbol, self.start, end)
                sha = hashlib.sha256(payload).hexdigest()
                key = delivery_key(name, sha, self.reading.currency)
                if not seen(key):
                    yield read_delivery(payload, name, sha, key, self.reading)
            except Unreachable as error:
                yield FileRejected(name, [Finding("UNREACHABLE", "FAIL", str(error), symbol=symbol)])
            except FileRejected as refused:
                yield refused


def has_split(payload: bytes) -> bool:
    """Whether an answer's rows carry a split."""
    header, *lines = payload.decode().splitlines()
    names = header.split(",")
    if "Stock Splits" not in names:
        return False
    place = names.index("Stock Splits")
    return any(float(line.split(",")[place] or 0) not in (0.0, 1.0) for line in lines)


def patiently(
    client: Client,
    pause: float,
    attempts: int,
    sleep: Callable[[float], None],
    passing: tuple[type[Exception], ...],
) -> Client:
    """The client with a pause (seconds) before each request, doubled after each failure that may pass.

    Raises Unreachable after the last attempt.
    """

    def fetch(symbol: str, first: date, end: date) -> bytes:
        wait, last = pause, ""
        for _ in range(attempts):
            sleep(wait)
            try:
                return client(symbol, first, end)
            except passing as error:
                last, wait = f"{type(error).__name__}: {error}", 2 * max(wait, 0.5)
        raise Unreachable(f"{symbol}: no answer in {attempts} attempts ({last}); try again later")

    return fetch


def yfinance_client(pause: float, attempts: int) -> Client:
    """A client that asks Yahoo; yfinance is imported when the first request is made."""

    def fetch(symbol: str, first: date, end: date) -> bytes:
        import yfinance as yf  # a second to import, and wanted by few
        from curl_cffi.requests.exceptions import RequestException
        from yfinance.exceptions import YFDataException, YFException, YFRateLimitError

        passing = (YFRateLimitError, YFDataException, RequestException, OSError)
        yf.config.debug.hide_exceptions = False

        def ask(symbol: str, first: date, end: date) -> bytes:
            ticker = yf.Ticker(symbol)
            try:
                frame = ticker.history(start=first, end=end, auto_adjust=False, actions=True, timeout=20)
            except passing:
                raise
            except YFException as error:
                raise Unreachable(f"{symbol}: {error}") from None
            return as_csv(symbol, frame)

        return patiently(ask, pause, attempts, time.sleep, passing)(symbol, first, end)

    return fetch


def as_csv(symbol: str, frame: Any) -> bytes:
    """A yfinance frame as CSV at full precision, its times cut to the exchange's dates.

    Raises Unreachable when it is empty.
    """
    if frame.empty:
        raise Unreachable(
            f"{symbol}: Yahoo knows no prices in these days; correct the symbol in sources.yaml"
        )
    frame = frame.set_axis(frame.index.strftime("%Y-%m-%d"), axis=0)
    gains = frame.pop("Capital Gains") if "Capital Gains" in frame else None
    if gains is not None and "Dividends" in frame:
        # Yahoo often counts a fund's gains among its dividends too; where those are less, it does not.
        frame["Dividends"] += gains * (frame["Dividends"] < gains)
    text: str = frame.to_csv(index_label="Date", lineterminator="\n")
    return text.encode()
