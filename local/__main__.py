"""`python -m local`: what `make local` runs once the tool chain is there."""

import sys

from local.runner import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
