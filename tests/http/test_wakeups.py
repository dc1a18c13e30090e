"""What wakes a loop: other threads, and never itself."""

import re
import shutil
import signal
import subprocess

import pytest
from server import SANITIZER, wait_for
from streams import noise_bytes

# A write of 8 bytes that are the number 1: what wakes whoever sleeps on an eventfd.
WAKE_UP = re.compile(r'^(\d+) +write\(\d+, "\\1(?:\\0){7}", 8\)', re.MULTILINE)
ANSWER = re.compile(r"^(\d+) +(?:write|writev|sendmsg|sendto)\(", re.MULTILINE)


@pytest.mark.skipif(SANITIZER != "", reason="a program that is traced is not checked for leaks")
def test_a_loop_that_posts_to_itself_makes_no_system_call(start, offload, tmp_path):
    if offload == "threads":
        pytest.skip("the thread of a connection waits in poll, and lets its loop turn")
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    server = start("--workers=2", "--loops=1", "--max-body=0")
    assert server.post("/pipe/gzip", b"x").status == 200
    pids = server.children() or [server.process.pid]  # the first thread of each runs its loop
    trace = tmp_path / "trace"
    calls = "trace=write,writev,sendmsg,sendto"
    strace = subprocess.Popen(
        ["strace", "-f", "-e", calls, "-e", "signal=none", "-o", trace, *(f"-p{pid}" for pid in pids)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in strace.stderr:
            if "attached" in line:
                break
        else:
            pytest.skip("no right to trace")
        for _ in range(3):
            assert server.post("/pipe/gzip", noise_bytes(4_000_000)).status == 200
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait()
    loops = {str(pid) for pid in pids}
    assert loops & set(ANSWER.findall(trace.read_text())), "the loop was traced: it sent the answers"
    assert not loops & set(WAKE_UP.findall(trace.read_text()))
    wait_for(lambda: server.get("/healthz").status == 200, "an answer")
