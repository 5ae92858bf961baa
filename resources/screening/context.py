"""What the checks of a delivery compare it with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from resources.prices.series import Begun, Days, Record
from resources.screening.corroboration import Elsewhere, nowhere
from resources.screening.doubts import JumpLimits, Release
from resources.screening.merged import Recorded
from resources.screening.price_warnings import WatchLimits
from resources.screening.stated.stated_payments import Payments
from resources.screening.stated.stated_splits import Several


@dataclass(frozen=True)
class Context:
    """What the checks compare a delivery with.

    today     the clock's date: later rows are set aside
    sessions  (s,) int32 days since 1970 on which the exchange trades, ascending
    record    newest close of each symbol of this source on record
    splits    (symbol, days since 1970) -> shares after per share before, from the corporate actions
    released  (symbol, day, code): rows that someone has looked at and found true
    recorded  the rows around the delivery, on record or set aside
    elsewhere what other sources say of a symbol
    from_actions  (symbol, day) of the source's rows on record whose split is that of an action
    payments  the dividends of the corporate actions
    several   (symbol, day) -> the ratios of which `splits` is made, where actions state a split and a stock dividend
    begun     symbol -> days from which on it is another company's: one that had it was delisted or merged before
    """

    today: date
    sessions: Days
    record: Mapping[str, Record] = field(default_factory=dict)
    splits: Mapping[tuple[str, int], float] = field(default_factory=dict)
    released: frozenset[Release] = frozenset()
    jump_limits: JumpLimits = field(default_factory=JumpLimits)
    watch_limits: WatchLimits = field(default_factory=WatchLimits)
    recorded: Recorded = field(default_factory=Recorded)
    elsewhere: Elsewhere = nowhere
    from_actions: frozenset[tuple[str, int]] = frozenset()
    payments: Payments = field(default_factory=Payments)
    several: Several = field(default_factory=dict)
    begun: Begun = field(default_factory=dict)
