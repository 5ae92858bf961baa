"""Times the factor model beside its peer, and writes RESULTS-factors.md.

`python -m benchmarks.factors.fit --peers PYTHON`. Both sides fit a synthetic market of 500 names and 1,512 sessions,
the last 1,260 regressed on 16 factors (ours 17): market, ten industries, five styles. The peer, skfolio's
CharacteristicsFactorModel, makes its market by itself. CPU seconds of one thread, the least of several runs.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from optimizer import FactorPanel, fit_factors
from optimizer.factors.panel import sector_codes

RESULTS = Path(__file__).parents[1].joinpath("RESULTS-factors.md")
NAMES, SESSIONS, INDUSTRIES, LARGE = 500, 1512, 10, 3000
PEER = f"""
import time, warnings
warnings.simplefilter("ignore")
import skfolio
from skfolio.datasets import make_synthetic_characteristics
from skfolio.descriptor import EWMarketBeta, EWMomentum, LogMarketCap, BookToPrice
from skfolio.factor_exposure import DerivedFactor, FixedWeightedFactor, GlobalFactor, OneHotCategoricalFactors
from skfolio.prior import CharacteristicsFactorModel
panel = make_synthetic_characteristics(
    n_assets={NAMES}, n_observations={SESSIONS}, n_industries={INDUSTRIES}, random_state=0)
def style(name, descriptor):
    return name, FixedWeightedFactor(descriptors=[(name + "_raw", descriptor)], family="style")
model = CharacteristicsFactorModel(
    factors=[("market", GlobalFactor()), ("industry", OneHotCategoricalFactors(category="industry", family="industry")),
             style("beta", EWMarketBeta(half_life=63)), style("momentum", EWMomentum(half_life=126, skip=21)),
             style("size", LogMarketCap()), style("value", BookToPrice()),
             ("non_linear_size", DerivedFactor(source="size", func=lambda x: x**3))],
    constrained_families=[("industry", None)], n_jobs=1)
times = []
for _ in range(3):
    start = time.process_time()
    model.fit(characteristics=panel)
    times.append(time.process_time() - start)
print(skfolio.__version__, min(times))
"""


def market(names: int, sessions: int, seed: int = 0) -> FactorPanel:
    """Names with betas, sectors, capitalisations and volumes, and nothing missing; five styles of ours are kept."""
    rng = np.random.default_rng(seed)
    sector = rng.integers(0, INDUSTRIES, names)
    returns = rng.normal(3e-4, 0.01, sessions)[:, None] * rng.normal(1.0, 0.3, names)
    returns += rng.normal(0, 0.004, (sessions, INDUSTRIES))[:, sector] + rng.normal(
        0, 0.015, (sessions, names)
    )
    caps = np.exp(rng.normal(23.0, 1.5, names)) * np.cumprod(1.0 + returns, axis=0)
    sector_names, codes = sector_codes([f"S{i}" for i in sector])
    symbols = tuple(f"N{i:04d}" for i in range(names))
    return FactorPanel(symbols, tuple(range(sessions)), returns, caps, None, sector_names, codes)


def least(call: Callable[[], object], runs: int) -> float:
    """The least CPU seconds of some runs."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def measured() -> dict[str, tuple[float, int]]:
    """What -> (CPU seconds, factors)."""
    whole, large = market(NAMES, SESSIONS), market(LARGE, 400)
    fitted, day_before = fit_factors(whole), fit_factors(whole.between(0, SESSIONS - 1))
    last_days = whole.between(SESSIONS - 255, SESSIONS)
    large_before, large_days = fit_factors(large.between(0, 399)), large.between(399 - 254, 400)
    return {
        f"fit of {NAMES} names, {len(fitted.sessions)} sessions regressed": (
            least(lambda: fit_factors(whole).model, 4), len(fitted.plan.factors),
        ),
        f"a new day, {NAMES} names": (
            least(lambda: day_before.updated(last_days).model, 8), len(fitted.plan.factors),
        ),
        f"a new day, {LARGE} names": (
            least(lambda: large_before.updated(large_days).model, 8), len(large_before.plan.factors),
        ),
    }  # fmt: skip


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=".peers/bin/python", help="an interpreter that has skfolio")
    given = parser.parse_args()
    ours = measured()
    lines = ["| what | factors | ours, CPU s |", "| --- | ---: | ---: |"]
    lines += [f"| {what} | {factors} | {seconds:.3f} |" for what, (seconds, factors) in ours.items()]
    told = "The peer was not measured: no interpreter with it."
    if Path(given.peers).exists():
        found = subprocess.run([given.peers, "-c", PEER], capture_output=True, text=True, check=True)
        version, seconds = found.stdout.split()[-2:]
        first = next(iter(ours.values()))[0]
        told = (
            f"skfolio {version}, `CharacteristicsFactorModel`, {NAMES} names, {SESSIONS} sessions, 16 factors: "
            f"{float(seconds):.3f} s of CPU, {float(seconds) / first:.1f} times ours, in the same run."
        )
    page = (__doc__ or "").split("\n\n", 1)[1]
    RESULTS.write_text(f"# The factor model's time\n\n{page}\n" + "\n".join(lines) + f"\n\n{told}\n", "utf-8")
    sys.stdout.write(RESULTS.read_text("utf-8"))


if __name__ == "__main__":
    main()
