"""Entry point of `python -m local`, which `make local` runs after the setup."""

import sys

from local.runner import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
