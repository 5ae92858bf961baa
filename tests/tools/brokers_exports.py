"""Made-up exports in the layout of each broker: the same 100 AAPL, 40.5 KO and 1,484.50 in cash, as of 2022-12-23."""

from pathlib import Path

FOLDER = Path(__file__).with_name("broker_exports")
NAMES = (
    "Fidelity", "Schwab", "Vanguard", "Interactive Brokers", "generic", "thinkorswim", "Hargreaves Lansdown",
)  # fmt: skip
PATHS = {name: FOLDER / f"{name.lower().replace(' ', '-')}.csv" for name in NAMES}
LAYOUTS = {name: path.read_text(encoding="utf-8") for name, path in PATHS.items()}
FIDELITY, SCHWAB, VANGUARD, INTERACTIVE_BROKERS, GENERIC, THINKORSWIM, HARGREAVES_LANSDOWN = LAYOUTS.values()
