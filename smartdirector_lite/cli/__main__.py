"""`python -m smartdirector_lite.cli`, for launchers that start modules."""

import sys

from .app import main

if __name__ == "__main__":
    sys.exit(main())
