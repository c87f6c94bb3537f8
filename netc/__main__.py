"""`python -m netc` is `netc`."""

import sys

from netc.cli import main

sys.exit(main())
