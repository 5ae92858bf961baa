"""Why a move is doubted: it looks like a forgotten split, is beyond belief, or answers no split or dividend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from resources.prices.series import Mask, Series
from resources.screening.corroboration import Evidence
from resources.screening.merged import Lost

SPLIT_UNEXPLAINED, JUMP_75 = "SPLIT_UNEXPLAINED", "JUMP_75"
SPLIT_DOUBTED, DIVIDEND_DOUBTED = "SPLIT_DOUBTED", "DIVIDEND_DOUBTED"
NOT_ANSWERED = (SPLIT_DOUBTED, DIVIDEND_DOUBTED)  # by the price: of what the row states, not of its level
WAITING = (SPLIT_UNEXPLAINED, JUMP_75, *NOT_ANSWERED)  # for what explains or confirms them
SUSPECT_FALL, SUSPECT_RISE = 0.55, 1.7  # inside, neither a jump nor a split: the rows need no closer look
# A dividend below this fraction of the price, or a split nearer to 1, needs none either.
PAYS, SPLITS = (0.04, 0.08)
ANSWERED = 4.0  # usual moves by which a price may miss the fall that a dividend asks for
WEEK = 7
Release = tuple[str, int, str]


@dataclass(frozen=True)
class JumpLimits:
    """How far a price may move between two sessions.

    jump           fraction, total return: a move beyond it is doubted; beyond a week it grows with the root of the time
    split          relative distance from n:1 or 1:n, n = 2, 3, ..., that looks like a forgotten split
    confirmed      rows at a new level, the first among them, after which it is believed
    level          a level further off than this many times is not believed because it holds, nor for its volume
    """

    jump: float = 0.75
    split: float = 0.03
    confirmed: int = 6
    level: float = 4.0


@dataclass(frozen=True, slots=True)
class Held:
    """A row set aside: its place in the series, and why."""

    place: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Move:
    """From a close to a row, with every split and dividend stated on the way: per share of the close before."""

    base: int | None
    before: float
    days: int
    place: int
    split: float
    dividend: float
    ratio: float

    @property
    def growth(self) -> float:
        """Total return, 1 = unchanged."""
        return self.ratio * self.split + self.dividend / self.before


@dataclass(frozen=True)
class Judging:
    """What a series is judged by.

    lost       symbol -> rows without a usable price, by day, whose split and dividend the next row carries
    released   (symbol, day, code): rows that someone found true
    splits     whether a price may lack a split: not a source of total returns
    """

    evidence: Evidence
    limits: JumpLimits = field(default_factory=JumpLimits)
    released: frozenset[Release] = frozenset()
    lost: Mapping[str, Sequence[Lost]] = field(default_factory=dict)
    splits: bool = True


def suspects(series: Series, limits: JumpLimits) -> Mask:
    """Rows (n,) whose move alone, split and dividend included, calls for a closer look."""
    fall, rise = min(SUSPECT_RISE, 1 + limits.jump), max(SUSPECT_FALL, 1 - limits.jump)
    looked = (series.growth < rise) | (series.growth > fall)
    acts = np.flatnonzero((series.split != 1) | (series.dividend > PAYS * series.previous))
    looked[acts] |= np.abs(series.growth[acts] - 1) > SPLITS
    paid = series.dividend[acts] / series.previous[acts]
    looked[acts] |= (paid > PAYS) & (series.growth[acts] - 1 > paid / 2)
    return looked


def doubt(series: Series, judging: Judging, move: Move) -> Held | None:
    """Why a move is not believed at once, if it is not."""
    code = (
        _split_code(judging, move) or _action_code(judging.evidence, move) or _jump_code(judging.limits, move)
    )
    if code is None:
        return None
    symbol, day = series.symbols[series.codes[move.place]], int(series.days[move.place])
    if (symbol, day, code) in judging.released:
        return None
    evidence = judging.evidence
    near = abs(np.log(move.growth)) <= np.log(judging.limits.level)
    if code == JUMP_75 and near and evidence.on_news(move.place):
        return None
    if code in NOT_ANSWERED:
        explained = evidence.seen_elsewhere(move.base, move.place, move.growth)
    else:
        explained = evidence.explains(move.base, move.place, move.growth)
    close = float(series.close[move.place])
    return None if explained else Held(move.place, code, reason(code, close, move.before, move.growth))


def _split_code(judging: Judging, move: Move) -> str | None:
    if move.split != 1 or not judging.splits or not move.ratio > 0:
        return None
    times = max(move.ratio, 1 / move.ratio)
    whole = round(times)
    if whole < 2 or abs(times / whole - 1) > judging.limits.split:
        return None
    denied = judging.evidence.denies_split(move.base, move.place, move.before, move.growth)
    return None if denied else SPLIT_UNEXPLAINED


def _action_code(evidence: Evidence, move: Move) -> str | None:
    """Whether the price stayed where it was, though a split or a dividend must have moved it."""
    splits = abs(np.log(move.split))
    if splits > SPLITS and abs(np.log(move.growth)) > splits / 2 > abs(np.log(move.ratio)):
        return SPLIT_DOUBTED
    paid = move.dividend / move.before
    if paid <= PAYS:
        return None
    usual = max(0.01, evidence.usual_move(move.place))
    excess = move.growth - evidence.market(move.place)
    return DIVIDEND_DOUBTED if excess > max(paid / 2, ANSWERED * usual) else None


def _jump_code(limits: JumpLimits, move: Move) -> str | None:
    jump, longer = limits.jump, np.sqrt(max(1.0, move.days / WEEK))
    fall = np.log1p(-jump) if jump < 1 else -np.inf
    return None if fall * longer <= np.log(move.growth) <= np.log1p(jump) * longer else JUMP_75


def reason(code: str, close: float, believed: float, growth: float) -> str:
    """What is told of a row set aside: its move, and what to do."""
    said = f"close {close:g} after {believed:g} ({growth - 1:+.0%})"
    return {
        JUMP_75: f"{said}: release it in overrides.yaml if it is true",
        SPLIT_UNEXPLAINED: f"{said} looks like a split that nothing explains: add the corporate action, or release it",
        SPLIT_DOUBTED: f"{said} with a split that the price does not answer: correct the split, or release it",
        DIVIDEND_DOUBTED: f"{said} with a dividend that the price does not answer: correct it (pence?), or release it",
    }[code]
