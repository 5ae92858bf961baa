"""An API for the screen that knows three packs and two portfolios, whose figures are round; and the screen over it."""

from typing import Any

from source_tree import ROOT
from streamlit.testing.v1 import AppTest

from service.screen.client import Client

PAGE = str(ROOT / "service" / "screen" / "app.py")
NEW, OLD = "PP_2024-02-29", "PP_2024-02-28"
POLICY = {
    "method": "cvar", "min_quality_score": 6.0, "max_turnover_pct": 40.0, "max_single_position_pct": 30.0,
    "max_sector_pct": 50.0, "lookback_days": 126, "cash_max_pct": 5.0,
}  # fmt: skip
ASKED = {**POLICY, "tail_level": 0.95, "max_risk_share_pct": None, "limits": []}
BOOK = {"name": "book", "base_currency": "USD", "symbols": ["AAA", "BBB"], "policy": POLICY, "problem": None}
OTHER = BOOK | {"name": "other", "base_currency": "CAD", "symbols": ["CCC"], "policy": {"method": "hrp"}}
WEIGHTS = {
    (NEW, "book"): {"AAA": 0.6, "BBB": 0.4},
    (OLD, "book"): {"AAA": 0.25, "CCC": 0.75},
}
TRADE = {
    "action": "BUY", "symbol": "AAA", "simulated": False, "quantity": 12, "current_price": 10.0, "trade_value": 120.0,
    "estimated_cost": 5.18, "current_weight_pct": 1.234, "achieved_weight_pct": 2.346, "target_weight_pct": 2.5,
    "rationale": "views",
}  # fmt: skip
SAVED = {"at": "2024-03-01T09:30:15+00:00", "caller": "loopback", "line_sha256": "0123456789abcdef" * 4}
PERFORMANCE = {
    "mode": "live",
    "left_out": {},
    "backtest": {
        "pack_id": OLD, "strategies": ["policy", "benchmark"], "simulated": True,
        "since": {"policy": "2024-01-02", "benchmark": "2024-01-02"}, "dates": ["2024-01-02", "2024-01-03"],
        "growth": {"policy": [1.0, 1.01], "benchmark": [1.0, 1.02]},
        "drawdown": {"policy": [0.0, -0.125], "benchmark": [0.0, 0.0]},
        "rolling": {
            "window": 126, "volatility": {"policy": [None, 0.12], "benchmark": [None, 0.1]},
            "sharpe": {"policy": [None, 0.5], "benchmark": [None, None]}, "beta": {"policy": [None, 0.9]},
        },
        "measures": {"policy": {"annual_return": 0.0712, "sharpe": 0.456}},
    },
    "live": [
        {"as_of": "2024-02-28", "pack_id": OLD, "value": 100000.0, "drawdown": 0.0, "benchmark": 100000.0,
         "paid_in": None},
        {"as_of": "2024-02-29", "pack_id": NEW, "value": 99000.0, "drawdown": -0.01, "benchmark": 100500.0,
         "paid_in": None},
    ],
}  # fmt: skip
KEYS = {
    "methods": {"cvar": ["tail_level"], "risk_parity": ["risk_budgets_pct"], "mean_variance": ["l2_penalty", "doubt"]},
    "keys": {
        "tail_level": {"type": "number", "default": 0.95, "minimum": 0.5, "description": "Tail."},
        "risk_budgets_pct": {"type": "object", "default": {}, "description": "Shares."},
        "l2_penalty": {"type": "number", "default": 0.0, "minimum": 0, "description": "Spread."},
        "doubt": {"enum": ["diagonal", "full"], "default": "diagonal", "description": "Shape."},
    },
}  # fmt: skip
SIDE = {
    "expected_return": 0.07, "vol": 0.12, "max_dd": -0.2, "tracking_error": 0.03, "notional": 1.154, "cash": 0.01,
    "sharpe": 0.456, "avg_quality": 7.25, "concentration_top10": 61.2,
}  # fmt: skip
IMPACT = {
    **{f"current_{name}": value for name, value in SIDE.items()},
    **{f"post_{name}": value for name, value in (SIDE | {"notional": 1.0}).items()},
    "current_value": 1e5, "post_rebalance_value": 99995.0, "value_delta": -5.18,
    "current_exposures": {"equity": 0.5}, "post_exposures": {"equity": 0.75},
}  # fmt: skip
SCENARIO = {
    "name": "Crash", "profit": -1000.0, "profit_pct": -10.0, "standard_error": 50.0, "severity": "severe",
    "positions": [{"symbol": "AAA", "source": "history"}],
}  # fmt: skip
HEDGE = {
    "action": "BUY", "instrument": "SPX", "option_type": "PUT", "quantity": 2, "strike": 4500.0, "expiry": None,
    "notional": 9000.0, "hedge_ratio": 0.25, "expected_offset_pct": 33.0, "estimated_cost": 150.0, "rationale": "falls",
}  # fmt: skip
FUND = {
    "instrument": "IWM", "action": "SELL", "quantity": 45, "notional": 9024.4, "estimated_cost": 1.8,
    "rationale": "moves the exposure to size by +0.799",
}  # fmt: skip
ADVICE = {
    "action": "reduce_equity", "rationale": "it is late", "instruments": ["AAA"], "candidates": ["TLT", "IEF"],
    "current_pct": 60.04, "wanted_pct": 30.0, "achieved_pct": 31.26, "trades": [
        {"symbol": "AAA", "action": "SELL", "quantity": 3, "trade_value": 30.0, "estimated_cost": 5.0},
    ],
}  # fmt: skip
SEEN = {
    "regime": "REFLATION", "score": 0.756, "margin": 0.124, "problems": ["CPI: too old", "UNRATE: too short"],
    "drivers": [{"series": "CPI", "date": "2024-01-01", "known_at": "2024-02-14", "value": 3.0, "z_score": 1.0}],
}  # fmt: skip


class Api:
    """What the API answers, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.packs = [(NEW, "fresh"), ("PP_2024-02-27", "rejected"), (OLD, "fresh")]
        self.portfolios = [BOOK, OTHER]
        self.seen: dict[str, Any] = SEEN
        self.warnings: list[str] = []
        self.performance: dict[str, Any] = PERFORMANCE
        self.tail: dict[str, Any] | None = None
        self.predicted: dict[str, Any] | None = None
        self.schedule: list[dict[str, Any]] = []

    def get(self, client: Client, path: str, **params: str) -> Any:
        if path == "/v1/packs":
            return [{"pack_id": pack, "verdict": verdict} for pack, verdict in self.packs]
        if path == "/v1/catalogue":
            scenarios = [
                {"scenario_id": "rates_up", "name": "Rates up"},
                {"scenario_id": "equity_selloff", "name": "Fall"},
            ]
            return {
                "methods": ["cvar", "hrp", "risk_parity"], "shocks": ["equity_pct", "rates_bps"],
                "scenarios": scenarios, "regimes": ["DELEVERAGING", "REFLATION"], "method_keys": KEYS,
            }  # fmt: skip
        _, _, _, pack, view = path.split("/")
        if view == "regime":
            return self.seen
        if view == "performance":
            self.asked.append((view, params))
            return self.performance
        if view == "attribution":
            return {"tail": self.tail, "predicted": self.predicted}
        if view == "trade_schedule":
            self.asked.append((view, params))
            return {"portfolios": [{"trade_schedule": self.schedule}]}
        assert view == "weights"
        weights = WEIGHTS[pack, params["portfolio"]]
        return {"portfolios": [{"optimal_weights": [{"symbol": s, "weight": w} for s, w in weights.items()]}]}

    def part(
        self, client: Client, path: str, limit: int, search: str = ""
    ) -> tuple[list[dict[str, Any]], int]:
        assert path.endswith("/portfolios")
        found = [one for one in self.portfolios if search in one["name"]]
        return found[:limit], len(found)

    def execute(self, client: Client, pattern: str, **inputs: Any) -> dict[str, Any]:
        self.asked.append((pattern, inputs))
        point = {"volatility": 0.12345, "expected_return": 0.0789}
        answers: dict[str, dict[str, Any]] = {
            "policy_rebalance": {
                "base_currency": "USD", "metadata": {"saved": SAVED}, "trace_id": "t1",
                "portfolio_name": inputs["portfolio_id"], "pricing_pack_id": inputs["pricing_pack_id"],
                "trade_count": 1, "turnover_pct": 12.346, "cost_bps": 4.321, "current_value": 100000.4,
                "constraints_met": True, "warnings": self.warnings, "trades": [TRADE], "result": {"impact": IMPACT},
                "constraints": [
                    {"constraint": "max_weight", "limit": 0.3, "achieved": 0.3, "slack": -1e-10},
                    {"constraint": "cash_max", "limit": 0.05, "achieved": 0.06, "slack": -0.01},
                ],
            },
            "efficient_frontier": {
                "points": [point, point], "current": point, "warnings": ["few days"],
                "proposed": point if "weights" in inputs else None,
            },
            "portfolio_stress": {"scenarios": [SCENARIO], "warnings": ["old prices"]},
            "suggest_hedges": {
                "loss": 1000.0, "expected_offset": 330.0, "residual_loss": 670.0, "total_cost_bps": 15.04,
                "warnings": ["no option"], "hedges": [HEDGE],
            },
            "suggest_factor_hedges": {
                "targets": inputs.get("targets"), "exposures_before": {"beta": 0.4, "size": -0.9},
                "exposures_after": {"beta": 0.4, "size": -0.101}, "volatility_before_pct": 12.0,
                "volatility_after_pct": 11.5, "total_cost_bps": 2.04, "warnings": ["whole shares"], "hedges": [FUND],
            },
            "suggest_deleveraging_hedges": {
                "recommendations": [ADVICE, ADVICE | {"instruments": [], "candidates": [], "trades": []}],
            },
        }  # fmt: skip
        return answers[pattern]


def run() -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=30).run()
    assert not page.exception and not page.error
    return page


def on(tab: str) -> AppTest:
    page = run().button[0].click().run()
    page.session_state["tab"] = tab
    page.run()
    assert not page.exception and not page.error
    return page


def rows(page: AppTest, which: int = -1) -> list[dict[str, Any]]:
    return page.dataframe[which].value.to_dict("records")


def number(page: AppTest, label: str) -> Any:
    [found] = [box for box in page.sidebar.number_input if box.label == label]
    return found
