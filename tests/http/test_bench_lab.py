"""`millrace-bench lab` as a program: from nothing to the report. What the report says is tested by tests/unit/bench and tests/browser."""

import json
import subprocess

import pytest
from server import BENCH, environment

pytestmark = [
    pytest.mark.skipif(not BENCH.exists(), reason="no millrace-bench beside the server"),
    pytest.mark.unsanitized("it measures"),
]


def lab(*words, **variables):
    return subprocess.run([BENCH, "lab", *map(str, words)], capture_output=True, text=True, timeout=120, env=environment(**variables))


@pytest.mark.slow
def test_a_short_run_ends_with_the_report(tmp_path):
    """Options in the environment are for other servers: they are neither taken nor refused by the ones that are measured."""
    run = lab("--rounds=1", "--heavy=1s", "--models=workers", "--models=none", f"--out={tmp_path}",
              MILLRACE_BUILD="nonsense", MILLRACE_MAX_BODY="1")  # fmt: skip
    assert run.returncode == 0, run.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert [model["name"] for model in report["models"]] == ["none", "workers"]
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "light-workers.hgrm").exists()
    for name in ("none", "workers"):
        assert name in run.stdout


def test_a_server_that_is_not_there_is_a_clear_error(tmp_path):
    run = lab("--rounds=1", "--heavy=1s", f"--server={tmp_path}/nothing", f"--out={tmp_path}")
    assert run.returncode != 0
    assert "nothing" in run.stderr
