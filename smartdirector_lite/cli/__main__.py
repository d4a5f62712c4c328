"""`python -m smartdirector_lite.cli` is the `smartdirector` command, for launchers that start modules."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
