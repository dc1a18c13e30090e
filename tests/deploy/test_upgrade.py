"""The server is replaced under load, over the socket that systemd holds."""

import subprocess

from server import BINARY, environment
from upgrade import upgrade_under_load


def test_no_request_is_lost_when_the_server_is_replaced(tmp_path):
    def start(passed):
        script = f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{passed.fileno()}'
        command = ["bash", "-c", script, "bash", BINARY, f"--data={tmp_path}/data", "--workers=2", "--log-level=warn"]
        notify = environment(NOTIFY_SOCKET=f"{tmp_path}/notify")
        return subprocess.Popen(command, env=notify, pass_fds=(passed.fileno(),))

    load = upgrade_under_load(start, tmp_path / "notify")
    print(f"{load.done} requests, the longest took {load.longest:.2f} s")
