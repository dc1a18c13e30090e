"""Images that were made to harm: never a crash, a right status each, in bounded time and memory.

Time is the processor's, which a busy machine does not make longer.
"""

import os

import hostile
import pytest
from server import SANITIZER

pytestmark = pytest.mark.once

SECONDS = {"": 3, "address": 9, "thread": 18}[SANITIZER]
MEMORY = 1 << 30
# fm=png asks for every pixel; the second one lets a decoder shrink.
QUERIES = ("w=40&fm=png", "w=40&h=40&fit=crop&crop=attention&fm=webp&trim=auto")


def peak_memory(server):
    for line in open(f"/proc/{server.process.pid}/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024


def processor_seconds(server):
    fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def images():
    return {}


def cases_of(group, server, images):
    if not images:
        images.update(hostile.good(hostile.good_avif(server)))
    return list(group(images))


def check(server, query, name, body, statuses):
    began = processor_seconds(server)
    answer = server.post(f"/pipe/image?{query}", body)
    took = processor_seconds(server) - began
    assert answer.status in statuses, f"{name}: {answer.status} {answer.body[:200]}"
    assert took <= SECONDS, f"{name}: {took:.1f} s"


@pytest.mark.parametrize("query", QUERIES, ids=("all", "shrunk"))
@pytest.mark.parametrize("group", hostile.GROUPS, ids=lambda group: group.__name__)
def test_each_is_answered_rightly(server, images, group, query):
    wrong = []
    for name, body, statuses in cases_of(group, server, images):
        try:
            check(server, query, name, body, statuses)
        except AssertionError as error:
            wrong.append(str(error))
    assert not wrong, "\n".join(wrong)
    if not SANITIZER:
        assert peak_memory(server) <= MEMORY


def test_there_are_more_than_three_hundred(server, images):
    names = [name for group in hostile.GROUPS for name, _, _ in cases_of(group, server, images)]
    assert len(names) == len(set(names))
    assert len(names) >= 300
