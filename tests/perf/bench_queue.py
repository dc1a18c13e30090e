"""Jobs through the queue against uv_queue_work: round trips, rates, worst stalls."""

import os
import sys

from benchlib import BUILD

os.execv(BUILD / "tests/perf_queue", ["perf_queue", *sys.argv[1:]])
