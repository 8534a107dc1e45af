"""`python -m ftctl` is `ftctl`."""

import sys

from ftctl.cli import main

if __name__ == "__main__":
    sys.exit(main())
