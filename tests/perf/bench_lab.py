"""The latency lab: one mixed load on each concurrency model, and a report of it."""

import os
import sys

from benchlib import BUILD

os.execv(BUILD / "millrace-bench", ["millrace-bench", "lab", *sys.argv[1:]])
