"""What adds up to the risk of a portfolio with a factor model, as rows of `factor_risks`."""

from collections.abc import Iterator, Mapping

from optimizer import FactorModel, predicted_risk
from optimizer.factors.attribution import SPECIFIC, PredictedRisk
from optimizer.problem.setting import aligned
from resources.results.stage_outputs import Columns

VOLATILITY = "VOLATILITY"
COLUMNS = ("side", "basis", "kind", "part", "factor_group", "exposure", "contribution")
Row = tuple[str, str, str, str, str | None, float | None, float]


def factor_risk_columns(
    model: FactorModel,
    before: Mapping[str, float],
    after: Mapping[str, float],
    benchmark: Mapping[str, float] | None,
) -> Columns:
    """Rows before and after the trades, by itself and, where there is a benchmark, against it.

    before, after, benchmark  symbol -> weight, of names that the model covers
    """
    symbols = tuple(sorted({*before, *after, *(benchmark or {})}))
    part = model.of(symbols)
    rows: list[Row] = []
    for side, held in (("before", before), ("after", after)):
        weights = aligned(held, symbols, "the portfolio")
        rows += _rows(side, "total", part, predicted_risk(part, weights))
        if benchmark is not None:
            fixed = aligned(benchmark, symbols, "the benchmark")
            rows += _rows(side, "active", part, predicted_risk(part, weights, fixed))
    return dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))


def _rows(side: str, basis: str, model: FactorModel, risk: PredictedRisk) -> Iterator[Row]:
    told = zip(model.factors, model.groups, risk.exposures.tolist(), risk.factors.tolist(), strict=True)
    for factor, group, exposure, part in told:
        yield side, basis, "factor", factor, group, exposure, part
    yield side, basis, "specific", SPECIFIC, None, None, risk.specific
    yield side, basis, "volatility", VOLATILITY, None, None, risk.volatility
    for symbol, weight, part in zip(model.symbols, risk.weights.tolist(), risk.names.tolist(), strict=True):
        if weight:
            yield side, basis, "symbol", symbol, None, weight, part
