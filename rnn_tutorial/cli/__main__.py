"""`python -m rnn_tutorial.cli`, where the script `rnn-tutorial` is not on the path."""

import sys

from rnn_tutorial.cli import main

if __name__ == "__main__":
    sys.exit(main())
