"""``python -m gfplint``."""

import sys

from gfplint.cli import main

if __name__ == "__main__":
    sys.exit(main())
