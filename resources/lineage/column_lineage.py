"""Which columns each computed column is made from: what Dagster and OpenLineage show as column lineage."""

from collections.abc import Mapping

from resources.ledger.tables import ASSET_OF, LOGS

Sources = Mapping[str, tuple[str, ...]]

_RETURNS = ("prices.close", "prices.dividend", "prices.split", "fx_rates.rate")
_FACTS = ("prices.volume", "market_caps.market_cap", "securities.sector", "characteristics.value")
_PRICED = ("prices.close", "fx_rates.rate")
_HELD = ("holdings.quantity", *_PRICED)
_TAIL = ("holdings.quantity", "trades.target_quantity", *_RETURNS, *_FACTS)
_SPLIT = ("return_estimates.expected_return", "factor_exposures.exposure", "specific_risks.variance")
_BELIEFS = ("posterior_returns.posterior_return", "covariances.values", "portfolio_snapshots.policy")
_TRADED = ("optimal_weights.weight", *_HELD)

# table -> column -> `table.column` it is computed from; keys and columns that only describe are left out.
COLUMNS: Mapping[str, Sources] = {
    "pricing_packs": {
        "content_hash": ("log_leaves.hash",),
        "watermark_seq": ("log_leaves.ingest_seq",),
        "rows": ("log_leaves.rows",),
        "quality": ("check_findings.severity",),
    },
    "return_estimates": {"expected_return": _RETURNS, "volatility": _RETURNS},
    "factor_exposures": {"exposure": (*_RETURNS, *_FACTS)},
    "factor_returns": {"return": (*_RETURNS, "factor_exposures.exposure")},
    "factor_covariances": {"covariance": ("factor_returns.return",)},
    "specific_risks": {
        "variance": (*_RETURNS, "factor_exposures.exposure"),
        "volatility": ("specific_risks.variance",),
    },
    "factor_model_quality": {"value": ("factor_returns.return", "specific_risks.variance")},
    "covariances": {
        "values": (*_RETURNS, "factor_exposures.exposure", "factor_covariances.covariance", "specific_risks.variance"),
    },
    "posterior_returns": {
        "prior_return": ("covariances.values", "market_caps.market_cap", "return_estimates.expected_return"),
        "posterior_return": (
            "return_estimates.expected_return", "covariances.values", "portfolio_snapshots.views",
            "market_caps.market_cap",
        ),
        "posterior_volatility": ("covariances.values", "portfolio_snapshots.views"),
        "spanned_return": _SPLIT,
        "own_return": _SPLIT,
    },
    "optimal_weights": {
        "weight": (*_BELIEFS, *_HELD),
        "current_weight": _HELD,
        "lower": ("portfolio_snapshots.policy",),
        "upper": ("portfolio_snapshots.policy",),
        "risk_contribution": ("optimal_weights.weight", "covariances.values"),
    },
    "optimization_results": {
        "objective": _BELIEFS,
        "expected_return": ("optimal_weights.weight", "posterior_returns.posterior_return"),
        "volatility": ("optimal_weights.weight", "covariances.values"),
    },
    "portfolio_exposures": {"amount": ("optimal_weights.weight",)},
    "trades": {
        "quantity": _TRADED,
        "price": _PRICED,
        "local_price": ("prices.close",),
        "fx_rate": ("fx_rates.rate",),
        "value": _TRADED,
        "cost": (*_TRADED, "portfolio_snapshots.policy"),
        "current_quantity": ("holdings.quantity",),
        "current_weight": _HELD,
        "target_weight": ("optimal_weights.weight",),
        "tax": ("lot_sales.gain", "portfolio_snapshots.policy"),
        "rationale": ("optimal_weights.weight", "posterior_returns.posterior_return"),
    },
    "trade_lists": {
        "nav_before": _HELD,
        "nav_after": ("trades.value", "trades.cost"),
        "costs": ("trades.cost",),
        "tax": ("trades.tax",),
    },
    "trade_schedule": {
        "quantity": ("trades.quantity", "prices.volume", "portfolio_snapshots.policy"),
        "daily_volume": ("prices.volume", "prices.close"),
        "remaining_risk": ("trades.value", "covariances.values"),
    },
    "lot_sales": {
        "quantity": ("trades.quantity", "tax_lots.quantity"),
        "gain": ("trades.price", "tax_lots.cost_basis"),
        "long_term": ("tax_lots.acquired",),
        "disallowed": ("lot_sales.gain", "tax_lots.acquired"),
    },
    "holding_adjustments": {
        "quantity": ("prices.split", "corporate_actions.value"),
        "cash": ("prices.dividend", "prices.close", "corporate_actions.value", "fx_rates.rate"),
    },
    "impact": {
        "current": (*_HELD, "covariances.values", "ratings.rating"),
        "post": ("trades.target_quantity", *_PRICED, "covariances.values", "ratings.rating"),
    },
    "factor_risks": {
        "exposure": ("factor_exposures.exposure", "trades.target_quantity", *_HELD),
        "contribution": ("factor_risks.exposure", "factor_covariances.covariance", "specific_risks.variance"),
    },
    "tail_risk": {"value_at_risk": _TAIL, "expected_shortfall": _TAIL},
    "held_returns": {
        "exposure": (*_HELD, "factor_risks.exposure"),
        "return": ("held_returns.exposure", *_RETURNS, "factor_returns.return"),
        "money": ("held_returns.return", "holdings.quantity", *_RETURNS),
    },
    "scenario_losses": {"profit": ("holdings.quantity", *_RETURNS, *_FACTS)},
    "hedges": {"notional": ("scenario_losses.profit", *_RETURNS)},
    "backtest_results": {"nav": (*_RETURNS, "portfolio_snapshots.policy")},
    "backtest_summary": {"value": ("backtest_results.nav",)},
    "backtest_attribution": {"contribution": ("backtest_results.nav", "portfolio_snapshots.benchmark")},
    "backtest_factors": {
        "contribution": ("backtest_results.nav", *_RETURNS, *_FACTS),
        "benchmark": ("portfolio_snapshots.benchmark", *_RETURNS, *_FACTS),
    },
    "backtest_weights": {"weight": (*_RETURNS, "portfolio_snapshots.policy")},
    "regimes": {"score": ("regime_drivers.z_score",)},
    "regime_drivers": {"z_score": ("macro_series.value",)},
}  # fmt: skip


def asset_of(table: str) -> str:
    """The asset that writes a table."""
    if table in ("pricing_packs", "check_findings"):
        return "pricing_pack"
    if table == "log_leaves":
        return "prices"
    return "reference_data" if table in LOGS and table != "prices" else ASSET_OF.get(table, table)
