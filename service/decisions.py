"""The service's own append-only record of what it proposed: one JSON line a proposal, which the next run ingests."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from optimizer import PackfolioError
from resources.logs.decisions import append_decision

KEPT = ("symbol", "action", "quantity", "current_price", "trade_value", "estimated_cost", "rationale")


class NotRecordedError(PackfolioError):
    """A proposal could not be put on record, and so was not made."""


class DecisionLog:
    """Lines of one file, each written whole and flushed to disk before the answer leaves."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self, caller: str, trace_id: str, at: datetime, result: Mapping[str, Any]) -> dict[str, Any]:
        """Appends who was proposed what, when, from which pack and policy; gives `saved`: what it is found by again.

        Raises NotRecordedError where the file does not take the line; nothing of it is left.
        """
        seen = {"views": views} if (views := result["views_as_applied"]) else {}
        policy = json.dumps(result["policy_as_applied"] | seen, sort_keys=True)
        line = {
            "at": at.isoformat(),
            "caller": caller,
            "trace_id": trace_id,
            "pricing_pack_id": result["pricing_pack_id"],
            "portfolio_id": result["portfolio_id"],
            "policy_hash": sha256(policy.encode()).hexdigest(),
            "method": result["method"],
            "constraints_met": result["constraints_met"],
            "estimated_costs": result["estimated_costs"],
            "trades": [{name: trade[name] for name in KEPT} for trade in result["trades"]],
        }
        try:
            digest = append_decision(self.path, line)
        except OSError as error:
            raise NotRecordedError(
                f"{self.path.name} cannot take the proposal ({error.strerror}), which is not made without it"
            ) from error
        return {"saved": {"at": line["at"], "caller": caller, "line_sha256": digest}}
