"""What the tests of pages share: a browser that runs a script, or a skip that says what is missing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAYWRIGHT = ROOT / ".cache/npm/node_modules/playwright-core"
sys.path.insert(0, str(ROOT / "tests/http"))


@pytest.fixture
def browse():
    """browse("shell.mjs", argument...): what the script printed, as JSON."""
    browser = shutil.which("chromium")
    if browser is None or shutil.which("node") is None or not PLAYWRIGHT.exists():
        pytest.skip("needs chromium, node and playwright-core (script/bootstrap --test)")

    def run(script, *arguments):
        command = ["node", Path(__file__).with_name(script), browser, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, timeout=500)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return run
