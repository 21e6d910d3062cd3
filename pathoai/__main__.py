"""``python -m pathoai``: the same as the program ``pathoai``."""

import sys

from pathoai.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
