"""``python -m alloytrio`` is the command ``alloytrio``."""

import sys

from alloytrio.cli import main

sys.exit(main())
