"""The commands of docs/operation.md that plan capacity, as they are printed there but for their length."""

import re
import subprocess

from images import photo
from server import BENCH, ROOT, environment, starting


def test_the_commands_for_capacity_planning_work_as_they_are_printed(tmp_path):
    section = re.search(r"(?ms)^## Capacity planning$(.*?)^## ", (ROOT / "docs/operation.md").read_text())[1]
    commands = re.findall(r"(?ms)^```sh\n(.*?)^```", section)
    assert len(commands) == 2
    (tmp_path / "photo.jpg").write_bytes(photo(800, 600))
    with starting("workers") as start:
        server = start("--workers=1")
        for command in commands:
            short, count = re.subn(r"--duration=60s", "--duration=1s --warmup=100ms --expect-status=200", command)
            assert count == 1
            short = short.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}").replace("millrace-bench", str(BENCH))
            done = subprocess.run(["bash", "-c", short], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "req" in done.stdout
