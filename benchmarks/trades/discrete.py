"""PyPortfolioOpt's DiscreteAllocation on purchases out of cash, run in .peers: shares and CPU seconds.

python -m benchmarks.trades.discrete FOLDER reads purchase-N.npz (prices, weights, nav) and writes discrete-N.npz.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from pypfopt import DiscreteAllocation

RUNS, MOST_LP = 3, 100  # its integer program has a variable a name and takes minutes beyond


def main() -> None:
    """Times both of its ways on every problem of the folder."""
    for path in sorted(Path(sys.argv[1]).glob("purchase-*.npz")):
        with np.load(path) as given:
            prices, weights, nav = given["prices"], given["weights"], float(given["nav"])
        names = [f"S{i:04d}" for i in range(len(prices))]
        ways = ["greedy_portfolio", *(["lp_portfolio"] if len(prices) <= MOST_LP else [])]
        found = {}
        for way in ways:
            seconds = []
            for _ in range(RUNS):
                allocation = DiscreteAllocation(
                    dict(zip(names, weights.tolist(), strict=True)), pd.Series(prices, names), nav
                )
                start = time.process_time()
                shares, _left = getattr(allocation, way)()
                seconds.append(time.process_time() - start)
            found[way] = np.array([shares.get(name, 0) for name in names] + [min(seconds)], dtype=float)
        np.savez(path.with_name(path.name.replace("purchase", "discrete")), **found)


if __name__ == "__main__":
    main()
