"""The part "Operator" of the page: what the server is short of, as it says itself once a second."""

import os
import re
from pathlib import Path

from images import noise
from server import starting


def test_what_the_server_is_short_of_is_shown(browse, tmp_path):
    pictures = [Path(os.environ["MILLRACE_SCREENSHOTS"]) / "operator.png"] if "MILLRACE_SCREENSHOTS" in os.environ else []
    with starting("none") as start:  # where a job blocks the loop
        server = start(f"--data={tmp_path / 'data'}", "--max-body=0")
        blocking = server.post("/pipe/image?w=300", noise(3000, 2000))["X-Request-Id"]
        seen = browse("operator.mjs", f"http://127.0.0.1:{server.port}", *pictures)
        facts = seen["facts"]
        assert seen["complaints"] == []
        assert facts["headings"] == ["Queue", "Budgets", "Refusals by reason", "What takes long", "Server"]
        assert facts["before"] == 1 and facts["refused"] == "1"
        label, told = facts["blocked"].split(", ", 1)
        assert told.startswith("for ") and " ago" in told
        if label == "job":  # on a busy machine another one may have come after it
            assert re.search("for the request [0-9a-f]{16}$", told), f"{told}, perhaps {blocking}"
        assert [label for label, _ in facts["meters"]] == ["Workers busy", "Memory of bodies and jobs", "Temporary files", "Connections"]
        assert all(" of " in words for _, words in facts["meters"])
        assert facts["tables"] == 2, "it is built once"
