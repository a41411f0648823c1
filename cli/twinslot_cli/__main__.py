"""`python -m twinslot_cli` is `twinslot`."""

import sys

from twinslot_cli.main import main

sys.exit(main())
