"""Jobs through the queue against uv_queue_work: round trips, rates, worst stalls."""

import argparse
import os

from benchlib import BUILD

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pairs")
    options = parser.parse_args()
    os.execv(BUILD / "tests/perf_queue", ["perf_queue", *(["--quick"] if options.quick else [])])
