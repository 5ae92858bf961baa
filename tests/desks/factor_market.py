"""A market made of a few factors, as a panel."""

import numpy as np

from optimizer import FactorPanel
from optimizer.factors.panel import sector_codes


def panel(seed: int = 0, days: int = 330, names: int = 24, sectors: int = 3) -> FactorPanel:
    rng = np.random.default_rng(seed)
    sector = np.arange(names) % sectors
    returns = rng.normal(3e-4, 0.01, days)[:, None] * rng.normal(1.0, 0.3, names)
    returns += rng.normal(0, 0.004, (days, sectors))[:, sector] + rng.normal(0, 0.015, (days, names))
    caps = np.exp(rng.normal(23.0, 1.5, names)) * np.cumprod(1.0 + returns, axis=0)
    traded = caps * np.exp(rng.normal(-5.0, 0.4, (days, names)))
    sector_names, codes = sector_codes([f"S{i}" for i in sector])
    scores = {"value": np.tile(rng.normal(0, 1, names), (days, 1))}
    return FactorPanel(
        tuple(f"N{i:02d}" for i in range(names)),
        tuple(range(days)),
        returns,
        caps,
        traded,
        sector_names,
        codes,
        scores,
    )
