"""``python -m mdactors``, and what the ``mdactors`` command starts."""

from __future__ import annotations

import sys

from mdactors.cli import main

if __name__ == "__main__":
    sys.exit(main())
