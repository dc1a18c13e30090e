"""The commands of the README and of docs/files.md, as they are printed there, on a real server."""

import os
import re
import subprocess

import pytest
from images import photo
from server import BINARY, ROOT

ID = "01M8MMF2NAXJFYWDJD7847071C"  # as the documents have it
TIMED_OUT = 28  # of curl

pytestmark = pytest.mark.once


def commands(file, heading):
    """Those of the code blocks below the heading, which talk to the server or prepare it."""
    text = (ROOT / file).read_text()
    section = re.search(rf"(?ms)^## {heading}$(.*?)(?=^##)", text)[1]
    lines = "\n".join(re.findall(r"(?ms)^```(?:sh)?$(.*?)^```$", section)).replace("\\\n", " ").splitlines()
    return [line for line in lines if re.match(r"(curl|age-keygen) ", line)]


@pytest.mark.parametrize("file, heading", [("README.md", "Use"), ("docs/files.md", "Uploading")])
def test_each_command_works_as_it_is_printed(start, tmp_path, file, heading):
    server = start(f"--data={tmp_path / 'data'}")
    work = tmp_path / "work"
    work.mkdir()
    for name in ("photo.jpg", "one.jpg", "two.jpg"):
        (work / name).write_bytes(photo())
    (work / "backup.tar").write_bytes(os.urandom(100_000))
    found = commands(file, heading)
    assert len(found) >= 3
    for line in found:
        if ID in line:
            line = line.replace(ID, server.get("/files").json()["files"][0]["id"])
        line = line.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{server.port}")
        endless = "/events" in line
        curl = f"curl() {{ command curl --fail -sS --noproxy '*' {'--max-time 2' if endless else ''} \"$@\"; }}\n"
        environment = {"PATH": f"{BINARY.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        done = subprocess.run(["bash", "-c", "set -o pipefail\n" + curl + line], cwd=work, env=environment, capture_output=True, timeout=300)
        assert done.returncode == (TIMED_OUT if endless else 0), (line, done.stderr)
        if "DELETE" not in line and "keygen" not in line and " -o " not in line:
            assert done.stdout, line
    if heading == "Use":
        assert server.get("/files").json()["files"] == []
        assert (work / "small.jpg").read_bytes()[:2] == b"\xff\xd8" and (work / "square.webp").read_bytes()[8:12] == b"WEBP"
        decrypted = subprocess.run(["age", "-d", "-i", work / "key.txt", work / "backup.tar.gz.age"], capture_output=True, check=True).stdout
        assert subprocess.run(["gzip", "-dc"], input=decrypted, capture_output=True, check=True).stdout == (work / "backup.tar").read_bytes()
