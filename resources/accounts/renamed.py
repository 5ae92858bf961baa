"""Accounts whose model, policy or restrictions name a share that has another name by now."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from resources.accounts.known import Account
from resources.settings.models import ModelFile
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.view_files import JointViewFile, View, named_in, sides_of

BY_SYMBOL = (
    "borrow_fees_pct", "do_not_buy", "do_not_sell", "do_not_trade", "trade_limits_pct", "asset_limits_pct",
    "margins_pct", "risk_share_limits_pct", "risk_budgets_pct", "participation_limits_pct",
)  # fmt: skip


def symbols_named(accounts: Sequence[Account]) -> set[str]:
    """Every symbol of the accounts' models, policies and restrictions: only a rename of these changes what they say."""
    found = {symbol for one in accounts for symbol in one.not_held}
    for model in {id(one.model): one.model for one in accounts}.values():
        found.update(() if model.universe == "all" else model.universe)
        found.update([model.benchmark] if isinstance(model.benchmark, str) else model.benchmark)
        for view in model.views:
            found.update(named_in(view))
    for policy in {id(one.policy): one.policy for one in accounts}.values():
        found.update(*(getattr(policy, field) for field in BY_SYMBOL))
    return found


def under_present_names(accounts: Sequence[Account], names: Mapping[str, str]) -> list[Account]:
    """The accounts, with what they say of a symbol said of its present name; what stands there already stays.

    names  symbol -> what the company is called now
    A universe keeps the old name too, so that the reader is told why it is not bought. What many accounts share is
    shared afterwards.
    """
    if not names:
        return list(accounts)
    models = {id(one.model): _model(one.model, names) for one in accounts}
    policies = {id(one.policy): _policy(one.policy, names) for one in accounts}
    return [
        replace(
            one,
            model=models[id(one.model)],
            policy=policies[id(one.policy)],
            not_held=_renamed(one.not_held, names) if one.not_held else one.not_held,
        )
        for one in accounts
    ]


def _model(model: ModelFile, names: Mapping[str, str]) -> ModelFile:
    changed: dict[str, Any] = {}
    if model.universe != "all" and (new := [names[symbol] for symbol in model.universe if symbol in names]):
        changed["universe"] = list(dict.fromkeys([*model.universe, *new]))
    if isinstance(model.benchmark, str):
        changed |= {"benchmark": names[model.benchmark]} if model.benchmark in names else {}
    elif names.keys() & model.benchmark.keys():
        weights: dict[str, float] = {}
        for symbol, weight in model.benchmark.items():
            name = names.get(symbol, symbol)
            weights[name] = weights.get(name, 0.0) + weight
        changed["benchmark"] = weights
    views = [_view(view, names) for view in model.views]
    if views != model.views:
        changed["views"] = views
    return model.model_copy(update=changed) if changed else model


def _view(view: View, names: Mapping[str, str]) -> View:
    if isinstance(view, JointViewFile):
        return view.model_copy(update={"portfolios": [_renamed(one, names) for one in view.portfolios]})
    changed: dict[str, Any] = {
        field: _renamed(side, names)
        if isinstance(side, dict)
        else list(dict.fromkeys(names.get(symbol, symbol) for symbol in side))
        for field, side in sides_of(view).items()
        if isinstance(side, dict | list)
    }
    return view.model_copy(update=changed)


def _policy(policy: PolicyFile, names: Mapping[str, str]) -> PolicyFile:
    told = {field: getattr(policy, field) for field in BY_SYMBOL}
    changed = {
        field: _renamed(values, names) for field, values in told.items() if names.keys() & values.keys()
    }
    return policy.model_copy(update=changed) if changed else policy


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Values by symbol: what is said of a present name itself counts before what is said of the one it had."""
    return {names[symbol]: value for symbol, value in values.items() if symbol in names} | {
        symbol: value for symbol, value in values.items() if symbol not in names
    }
