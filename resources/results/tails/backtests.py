"""What earlier packs said of the book's tail, against what it then lost: tests over the packs, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from optimizer import TailBacktest, backtest_forecasts
from optimizer.errors import how_many
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.settings.playbook_schemas.tail_risk import TailFile

SEED = 20140601  # of the draws that Acerbi and Szekely's statistic is compared with
WORDS: Mapping[str, str] = {
    "kupiec": "Kupiec: their number",
    "christoffersen": "Christoffersen: one after the other",
    "conditional_coverage": "Christoffersen: number and succession",
    "acerbi_szekely": "Acerbi-Szekely: their number and size",
}
NAMED = 3
# Of each as-of date up to $1 the pack that counts.
PACKS = (
    "select pack_id, as_of from pricing_packs where verdict = 'fresh' and as_of <= $1 "
    "qualify row_number() over (partition by as_of order by revision desc) = 1"
)


@dataclass(frozen=True)
class Tested:
    """Forecasts of one portfolio by one method at one level, against what came of them.

    share  probability below which a test counts as failed
    """

    portfolio_id: str
    portfolio: str
    method: str
    found: TailBacktest
    share: float

    @property
    def failed(self) -> tuple[str, ...]:
        """The tests that right forecasts would hardly fail."""
        return self.found.failed(self.share)

    def __str__(self) -> str:
        told = self.found
        tests = "; ".join(
            f"{WORDS[test.name]} {'is not as said' if test.name in self.failed else 'as said'} (p {test.p_value:.3f})"
            for test in told.tests
        )
        return (
            f"{self.portfolio}, {self.method}, {100 * told.level:g}%: {told.exceptions} of {told.days} losses beyond "
            f"the value at risk, {told.expected:.1f} expected. {tests}"
        )


@dataclass(frozen=True)
class Judged:
    """All that could be tested under a pack.

    periods  forecasts that came to their end, of the portfolio that has most;  other  those over another number of
    sessions than the horizon, which are not compared
    """

    tested: tuple[Tested, ...]
    periods: int
    other: int

    @property
    def failed(self) -> tuple[Tested, ...]:
        """Those of which a test failed."""
        return tuple(one for one in self.tested if one.failed)

    def sentence(self, settings: TailFile) -> str:
        """What the check says."""
        if not settings.levels:
            return "Nothing is told: tail_risk.levels_pct of scenarios.yaml is empty."
        apart = (
            f" {how_many(self.other, 'forecast')} of packs that are not "
            f"{how_many(settings.horizon_days, 'session')} apart: not tested."
            if self.other
            else ""
        )
        if not self.tested:
            return (
                f"Too few: {how_many(self.periods, 'forecast')} so far, {settings.least_packs} are needed for a test "
                f"(tail_risk.least_packs); nothing has been tested yet.{apart}"
            )
        if not self.failed:
            return f"{len(self.tested)} series of forecasts pass every test.{apart}"
        told = " | ".join(str(one) for one in self.failed[:NAMED])
        more = f" | and {len(self.failed) - NAMED} more" if len(self.failed) > NAMED else ""
        return f"{len(self.failed)} of {len(self.tested)} series fail a test: {told}{more}.{apart}"


def judged(con: Connection, pack: Pack, settings: TailFile, portfolio_id: str | None = None) -> Judged:
    """The tests of all portfolios of a pack, or of one, over the packs up to it.

    A pack's forecast of what was held is held against what that earned until the next one, where as many sessions lie
    between as it was made for. The significance is shared among all that is tested (Bonferroni), so that a run of many
    portfolios does not fail by their number.
    """
    rows = con.execute(
        f"""
        with packs as ({PACKS})
        select t.portfolio_id, s.name, t.method, t.level, h.sessions = t.horizon_days as alike,
            list(h."return" order by p.as_of), list(t.value_at_risk order by p.as_of),
            list(t.expected_shortfall order by p.as_of)
        from latest_held_returns h join packs p using (pack_id)
            join latest_tail_risk t on t.pack_id = h.previous_pack and t.portfolio_id = h.portfolio_id
            join latest_portfolio_snapshots s on s.pack_id = $2 and s.portfolio_id = h.portfolio_id
        where h.kind = 'held' and t.book = 'held' and t.expected_shortfall > 1e-12 and t.horizon_days = $3
            and t.level in (select unnest($4::double[])) and coalesce(t.portfolio_id = $5, true)
        group by all order by 2, 3, 4
        """,
        [pack.as_of, pack.id, settings.horizon_days, list(settings.levels), portfolio_id],
    ).fetchall()
    alike = [row for row in rows if row[4]]
    enough = [row for row in alike if len(row[5]) >= settings.least_packs]
    share = settings.significance / max(len(enough), 1)
    tested = tuple(
        Tested(portfolio, name, method, _tested(level, *map(tuple, lists)), share)
        for portfolio, name, method, level, _, *lists in enough
    )
    other = max((len(row[5]) for row in rows if not row[4]), default=0)
    return Judged(tested, max((len(row[5]) for row in alike), default=0), other)


@lru_cache(maxsize=512)
def _tested(
    level: float, returns: tuple[float, ...], values_at_risk: tuple[float, ...], shortfalls: tuple[float, ...]
) -> TailBacktest:
    """Kept by content: a server asks the same of the same packs again, and the draws cost more than all else."""
    told = (np.array(returns), np.array(values_at_risk), np.array(shortfalls))
    return backtest_forecasts(*told, level, np.random.default_rng(SEED))
