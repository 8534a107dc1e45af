"""`python -m ftctl` is `ftctl`."""

import sys

from ftctl.cli import main

sys.exit(main())
