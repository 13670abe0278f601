"""Run one benchmark and print its figures."""

from __future__ import annotations

import argparse
import importlib
import json
import pathlib
import sys

from bench.report import table

NAMES = sorted(
    path.stem for path in pathlib.Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")
)


def main() -> None:
    """Parse the command line, run the benchmark, print it as a table or as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    figures: dict[str, object] = importlib.import_module(f"bench.{options.name}").measure()
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        width = max(map(len, figures))
        for name, value in figures.items():
            if isinstance(value, list):
                print("\n".join(table(value)), end="\n\n")
            else:
                shown = f"{value:,.3f}" if isinstance(value, float) else value
                print(f"{name:<{width}}  {shown}")
    if figures.get("goals_missed"):
        sys.exit(1)


if __name__ == "__main__":
    main()
