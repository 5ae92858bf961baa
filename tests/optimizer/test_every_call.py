"""Whatever a public callable is given, it answers or raises an error of ours: no foreign exception, warning or NaN."""

import inspect
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
import pytest
from any_arguments import Case
from any_makers import MAKERS, OWNERS, Maker
from draws import examples
from hypothesis import HealthCheck, Phase, given, reject
from hypothesis import strategies as st

import optimizer
from optimizer import PackfolioError

# Values that the library makes; whoever makes one by hand says what it holds.
ANSWERS = {
    "BacktestResult", "Certificate", "Conflict", "FrontierPoint", "Impact", "OptimizationResult", "Posterior",
    "Proposal", "ViewMatrix", "JointViews", "Solution", "FactorModel", "FactorPanel", "FactorSettings",
    "TradeList", "Taxes", "BlackLittermanSettings", "Detector", "Estimates", "HedgeLimits", "Instrument",
    "Liquidity", "Mandate", "MarketView", "OptimizationConstraints", "Policy", "PolicyStrategy", "Recipe", "Scenario",
    "ScenarioView", "TailBacktest", "TailRisk", "Trade", "Universe", "ExposureType", "ObjectiveType",
    "Advice", "BacktestSettings", "Band", "Book", "CorporateAction", "DatedFacts", "ExposureRisk", "FactorHistory",
    "FrozenPosition", "Indicator", "Market", "Observation", "Reasons", "Setting", "TaxPlan", "TrackingRisk",
    "DataError", "InfeasibleError", "PackfolioError", "PolicyError", "SolverError",
}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """A function, or a method of `owner`."""

    name: str
    call: Callable[..., Any]
    owner: str | None = None
    bound_to_class: bool = False

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}" if self.owner else self.name


def public() -> Iterator[Subject]:
    """Every function and method that `optimizer` offers."""
    for name in optimizer.__all__:
        value = getattr(optimizer, name)
        if isinstance(value, types.ModuleType):
            for key, function in vars(value).items():
                if (
                    inspect.isfunction(function)
                    and function.__module__.startswith("optimizer.measures")
                    and key[0] != "_"
                ):
                    yield Subject(key, function)
        elif inspect.isclass(value):
            if name not in ANSWERS:
                yield from _methods(name, value)
        else:
            yield Subject(name, value)


# These raise what scikit-learn asks of estimators: ValueError for what is no table, NotFittedError before a fit.
SCIKIT_LEARN = ("fit", "predict", "score")


def _methods(owner: str, value: type) -> Iterator[Subject]:
    for key, member in vars(value).items():
        function = member.__func__ if isinstance(member, classmethod) else member
        skipped = owner == "PortfolioEstimator" and key in SCIKIT_LEARN
        if inspect.isfunction(function) and key[0] != "_" and not skipped:
            yield Subject(key, function, owner, isinstance(member, classmethod))


SUBJECTS = sorted(public(), key=str)


def maker(subject: Subject, parameter: str) -> Maker | None:
    """What makes values of a parameter: the subject's own, else those of its class, else of the name."""
    for key in (
        f"{subject}.{parameter}",
        f"{subject.name}.{parameter}",
        f"{subject.owner}.{parameter}",
        parameter,
    ):
        if key in MAKERS:
            return MAKERS[key]
    return None


def parameters(subject: Subject) -> list[inspect.Parameter]:
    found = list(inspect.signature(subject.call).parameters.values())
    return [p for p in found if p.name not in ("self", "cls", "trusted") and p.kind != p.VAR_KEYWORD]


def nans(value: Any, depth: int = 0) -> bool:
    """Whether there is a NaN in what was answered."""
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    if isinstance(value, pd.DataFrame | pd.Series):
        return nans(value.to_numpy(), depth)
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" and bool(np.isnan(value).any())
    if isinstance(value, Mapping):
        return any(nans(part, depth + 1) for part in value.values())
    if isinstance(value, tuple | list):
        return any(nans(part, depth + 1) for part in value)
    if is_dataclass(value) and not isinstance(value, type) and depth < 3 and not isinstance(value, Enum):
        if "NaN" in (type(value).__doc__ or ""):
            return False
        return any(nans(getattr(value, f.name), depth + 1) for f in fields(value))
    return False


def says_nan(subject: Subject, owner: Any) -> bool:
    return any("NaN" in (doc or "") for doc in (subject.call.__doc__, type(owner).__doc__ if owner else None))


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
@examples(8, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_only_errors_of_ours_come_out(subject: Subject, data: st.DataObject) -> None:
    case = Case(data)
    owner: Any = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bound: list[Any] = []
            if subject.owner and isinstance(
                inspect.getattr_static(getattr(optimizer, subject.owner), subject.name), classmethod
            ):
                bound = [getattr(optimizer, subject.owner)]
            elif subject.owner:
                owner = OWNERS[subject.owner](case)
                bound = [owner]
            given_: dict[str, Any] = {}
            for p in parameters(subject):
                make = maker(subject, p.name)
                assert make is not None, f"no maker for {subject}({p.name})"
                if p.default is p.empty or data.draw(st.booleans(), p.name):
                    given_[p.name] = make(case)
    except PackfolioError:
        reject()  # the arguments themselves are refused
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            positional = [given_.pop(p.name) for p in parameters(subject) if p.kind == p.POSITIONAL_ONLY]
            found = subject.call(*bound, *positional, **given_)
            if isinstance(found, Iterator):
                found = list(found)
        except PackfolioError as error:
            assert str(error)
            return
    assert says_nan(subject, owner) or not nans(found), f"{subject} answered {found}"


def test_every_public_name_is_called_or_told_apart() -> None:
    missing = [f"{s}({p.name})" for s in SUBJECTS for p in parameters(s) if maker(s, p.name) is None]
    assert missing == [], "give each a line in MAKERS of tests/tools/any_makers.py"
    owners = {subject.owner for subject in SUBJECTS if subject.owner} - set(OWNERS) - {"Portfolio"}
    assert owners == set(), "give each an instance in OWNERS of tests/tools/any_makers.py"
    assert set(optimizer.__all__) >= ANSWERS
