"""`python -m predictor`: serve predictions over HTTP until SIGTERM or SIGINT."""

import sys

from predictor.service import serve
from shared.runtime.service import run

if __name__ == "__main__":
    sys.exit(run("predictor", serve))
