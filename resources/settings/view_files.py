"""Views as a desk writes them: on returns, or on the distribution of scenarios."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    TypeAdapter,
    field_validator,
    model_serializer,
    model_validator,
)

from optimizer import JointViews, MarketView, PolicyError, ScenarioView
from resources.settings.policies.values import Percent, Strict, fraction

SMALL = 0.5  # percent a year, which of a name is hardly ever expected
Symbol = Annotated[str, Field(min_length=1, max_length=32)]
Named = Annotated[str, Field(min_length=1, max_length=48)]  # a symbol, or exposure:us_equity
Finite = Annotated[float, Field(allow_inf_nan=False)]
Weights = dict[Named, Finite]
Names = list[Named] | Weights


class ViewFile(Strict):
    """An opinion: absolute views are total returns per year, relative ones the lead of `assets` over `against`.

    assets, against  symbols, or symbol -> weight: a portfolio as it stands, signs included: `{AAPL: 0.9, MSFT: 0.1}`;
                     `"exposure:bonds"` stands for what funds hold of it, and of nothing else
    weights          inside a group, or symbol -> weight of every name
    """

    assets: Names = Field(min_length=1)
    type: Literal["absolute", "relative"]
    expected_return_pct: Percent
    confidence: float | None = Field(default=None, ge=0, le=1)
    against: Names = Field(default=[])
    weights: Literal["market", "equal"] | Weights = "market"
    error_pct: Percent | None = Field(default=None, ge=0, le=100)

    @model_validator(mode="after")
    def as_the_library_takes_it(self) -> "ViewFile":
        """Refuses a view with neither or both of confidence and error, and what `MarketView` refuses."""
        if (self.confidence is None) == (self.error_pct is None):
            raise ValueError("give confidence, from 0 to 1, or error_pct in place of it")
        self.to_view(0.0)
        return self

    @model_serializer(mode="wrap")
    def as_stated(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the certainty that is not stated, so that views written before errors existed read as ever."""
        found: dict[str, Any] = dump(self)
        return {
            key: value
            for key, value in found.items()
            if key not in ("confidence", "error_pct") or value is not None
        }

    def to_view(self, risk_free_rate: float) -> MarketView:
        """The view in excess returns: the risk-free rate comes off an absolute one."""
        total = self.expected_return_pct / 100
        return MarketView(
            self.assets,
            self.type,
            total - risk_free_rate * self._invested(),
            self.confidence,
            against=self.against,
            weights=self.weights,
            error=fraction(self.error_pct),
        )

    def _invested(self) -> float:
        """What the view's portfolio puts into names, and so not into cash."""
        sides = (self.assets, self.against)
        if isinstance(self.weights, dict):
            stated = self.weights
            long, short = (sum(stated.get(symbol, 0.0) for symbol in side) for side in sides)
            return float(long - short)
        if isinstance(self.assets, dict) or isinstance(self.against, dict):
            long, short = (sum(s.values()) if isinstance(s, dict) else len(s) for s in sides)
            return float(long - short)
        return 1.0 if self.type == "absolute" else 0.0


class JointViewFile(Strict):
    """Opinions whose errors move together: P, q and Omega of Black-Litterman, by name.

    portfolios            symbol -> weight of each, signs included; what they leave of 1 is in cash
    expected_returns_pct  total return per year of each
    omega                 covariance of their errors, fractions squared per year: a row a view, or the variances alone
    """

    portfolios: list[Weights] = Field(min_length=1)
    expected_returns_pct: list[Percent]
    omega: list[list[Finite]] | list[Finite]

    @model_validator(mode="after")
    def as_the_library_takes_it(self) -> "JointViewFile":
        """Refuses what `JointViews` refuses."""
        self.to_view(0.0)
        return self

    def to_view(self, risk_free_rate: float) -> JointViews:
        """The views in excess returns: the risk-free rate comes off what each puts into names."""
        if len(self.expected_returns_pct) != len(self.portfolios):
            raise PolicyError(
                f"{len(self.portfolios)} portfolios have {len(self.expected_returns_pct)} returns; give one each"
            )
        excess = [
            total / 100 - risk_free_rate * sum(own.values())
            for total, own in zip(self.expected_returns_pct, self.portfolios, strict=True)
        ]
        return JointViews(self.portfolios, excess, self.omega)


class ScenarioViewFile(Strict):
    """An opinion on a distribution, for `view_model: entropy_pooling`.

    assets     symbol -> weight of the portfolio it is about; a list is 1 each
    value_pct  percent: a total return or volatility per year, or the loss of one day for cvar; `value` for correlations
    """

    kind: Literal["mean", "volatility", "cvar", "correlation"]
    assets: dict[Symbol, Percent] = Field(min_length=1)
    value_pct: Percent | None = None
    value: float | None = Field(default=None, ge=-1, le=1)
    sense: Literal["=", ">=", "<="] = "="
    confidence: float = Field(default=1.0, ge=0, le=1)
    level: float = Field(default=0.95, ge=0.5, lt=1)

    @field_validator("assets", mode="before")
    @classmethod
    def alike(cls, value: Any) -> Any:
        """`[AAPL, MSFT]` is short for `{AAPL: 1, MSFT: 1}`."""
        return dict.fromkeys(value, 1.0) if isinstance(value, list) else value

    @model_validator(mode="after")
    def one_value(self) -> "ScenarioViewFile":
        """Refuses a correlation in percent, anything else without a percentage, and what `ScenarioView` refuses."""
        wanted = "value" if self.kind == "correlation" else "value_pct"
        if (self.value is None) == (self.value_pct is None) or getattr(self, wanted) is None:
            raise ValueError(f"a view on {self.kind} is given by {wanted}; write that one")
        self.to_view()
        return self

    def to_view(self, risk_free_rate: float = 0.0) -> ScenarioView:
        """The view, in total returns."""
        amount = self.value if self.value_pct is None else self.value_pct / 100
        return ScenarioView(
            self.kind,
            self.assets,
            amount or 0.0,
            sense=self.sense,
            confidence=self.confidence,
            level=self.level,
        )


View = ViewFile | JointViewFile | ScenarioViewFile


def sides_of(view: ViewFile | ScenarioViewFile) -> dict[str, Any]:
    """Field -> the symbols, with weights or without, of each field in which such a view names any."""
    fields = ("assets", "against", "weights") if isinstance(view, ViewFile) else ("assets",)
    return {field: getattr(view, field) for field in fields}


def named_in(view: View) -> set[str]:
    """The symbols that a view speaks of."""
    sides = view.portfolios if isinstance(view, JointViewFile) else sides_of(view).values()
    return {symbol for side in sides if not isinstance(side, str) for symbol in side}


def like_a_fraction(view: View) -> str | None:
    """What is said of a view of less than half a percent a year, of which 0.1 is more often 10%; None of others."""
    match view:
        case ViewFile(type="absolute", expected_return_pct=said):
            key = "expected_return_pct"
        case ScenarioViewFile(kind="mean", value_pct=said) if (
            sum(view.assets.values()) > 0 and said is not None
        ):
            key = "value_pct"
        case _:
            return None
    if not 0 < abs(said) < SMALL:
        return None
    return (
        f"The view on {', '.join(view.assets)} expects {said:g}% a year; if {100 * said:g}% is meant, write {key}: "
        f"{100 * said:g}"
    )


def view_tag(view: Any) -> str:
    """Which of the three a view is, by the key that it has: portfolios, kind or type; in angles, as it is no key."""
    told = view if isinstance(view, dict) else getattr(type(view), "model_fields", ())
    return f"<{next((key for key in ('portfolios', 'kind') if key in told), 'type')}>"


AnyViewFile = Annotated[
    Annotated[ViewFile, Tag("<type>")]
    | Annotated[JointViewFile, Tag("<portfolios>")]
    | Annotated[ScenarioViewFile, Tag("<kind>")],
    Discriminator(view_tag),
]
VIEW: TypeAdapter[View] = TypeAdapter(AnyViewFile)


def check_views(view_model: str, views: Sequence[View]) -> None:
    """Raises PolicyError for views that the policy's view_model does not take."""
    pooled = view_model == "entropy_pooling"
    if any(isinstance(view, ScenarioViewFile) != pooled for view in views):
        key = "kind (mean, volatility, cvar, correlation)" if pooled else "type (absolute, relative)"
        raise PolicyError(
            f"policy.view_model is {view_model}, whose views have a {key}; write all of them so, or change view_model"
        )
