"""What became of each test: from the JUnit files of a run, and of a second run of those that failed.

    outcomes.py STEP FIRST.xml [AGAIN.xml]

One line for each test: `passed`, `failed`, `flaky` (it failed, and passed when it ran again) or `skipped`, the step, the
name, and why it was skipped. A program of cmocka is one test, but what it skips is named too. A run that wrote no file
says nothing here.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

ORDER = ["passed", "skipped", "failed"]  # a test may have two results: its own, and that of what ends behind it


def name_of(case):
    name, place = case.get("name"), case.get("classname") or ""
    return name if place in ("", name) else f"{place.rpartition('.')[2]}.py::{name}"  # ctest gives the name twice


def outcome_of(case):
    kinds = {child.tag: child for child in case}
    if "failure" in kinds or "error" in kinds:
        return "failed", ""
    if "skipped" in kinds:
        return "skipped", (kinds["skipped"].get("message") or "").strip().splitlines()[0]
    return "passed", ""


def results(path):
    found = {}
    if Path(path).exists():
        for case in ElementTree.parse(path).iter("testcase"):
            found[name_of(case)] = max(found.get(name_of(case), ("passed", "")), outcome_of(case), key=lambda r: ORDER.index(r[0]))
    return found


def skipped_inside(path):
    """The tests that the programs of cmocka skipped."""
    if Path(path).exists():
        for case in ElementTree.parse(path).iter("testcase"):
            for name in re.findall(r"^\[  SKIPPED \] (\w+)$", case.findtext("system-out") or "", re.MULTILINE):
                yield f"{name_of(case)}: {name}"


def main(step, first, again=None):
    second = results(again) if again else {}
    for name in dict.fromkeys(skipped_inside(first)):
        print("skipped", f"{step}: {name}")
    for name, (outcome, why) in results(first).items():
        if outcome == "failed" and second.get(name, ("failed",))[0] == "passed":
            outcome = "flaky"
        print(outcome, f"{step}: {name}" + (f": {why}" if why else ""))


main(*sys.argv[1:])
