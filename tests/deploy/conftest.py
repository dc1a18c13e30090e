"""What is shipped beside the program: units, pages, completion. The server is started as the black-box tests do it (tests/http)."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "http")]
