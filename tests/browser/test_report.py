"""The lab's report as its readers see it: words, tables, plots and JSON say the same; in a browser it is legible in the
light and in the dark, at a desk and on a phone, and asks the network for nothing. Words and tables need no script.

MILLRACE_REPORT_FIXTURE  the program that writes the report (build/tests/report_fixture)
MILLRACE_SCREENSHOTS     a directory for the browser's pictures, to look at (default: thrown away)
"""

import json
import math
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = os.environ.get("MILLRACE_REPORT_FIXTURE", ROOT / "build/tests/report_fixture")
PACKAGES = ROOT / ".cache/npm/node_modules"
VOID = {"meta", "link"}
OURS = ["none", "threads", "libuv", "workers", "cluster-none", "cluster-workers", "inline"]
PEER = "<script>alert('peer')</script>"


class Page(HTMLParser):
    """The elements in order, with their attributes and their own text; fails where tags do not nest."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open[-1]}"

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.elements.append({"tag": tag, "text": "", **dict(attributes)})

    def handle_endtag(self, tag):
        assert self.open and self.open[-1]["tag"] == tag, f"</{tag}> closes nothing, at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data):
        if self.open:
            self.open[-1]["text"] += data

    def find(self, tag, **attributes):
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        return [e for e in self.elements if e["tag"] == tag and all(e.get(n) == v for n, v in wanted.items())]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("report")
    run = subprocess.run([FIXTURE, path], capture_output=True, text=True, timeout=60, check=True)
    (path / "table.txt").write_text(run.stdout)
    return path


@pytest.fixture(scope="module")
def html(directory):
    return (directory / "report.html").read_text()


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


@pytest.fixture(scope="module")
def report(directory):
    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads((directory / "report.json").read_text(), parse_constant=refuse)


def figures(report):
    return {model["name"]: model["figures"] for model in report["models"]}


def shown(name, value):
    """As a table has it."""
    if name == "heavy_index":
        return f"{value:.0%}".replace("%", " %")
    if name.startswith(("switches", "threads")):
        return f"{value:,.0f}"
    value *= 1e3 if re.match("light|rest|fresh|lag", name) else 1 / 2**20 if name == "rss_bytes" else 1
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.9995 else 3
    return f"{value:,.{digits}f}"


def test_every_cell_of_a_table_is_the_figure_in_json(page, report):
    cells = [e for e in page.find("td") if "data-figure" in e]
    seen = {(e["data-model"], e["data-figure"]) for e in cells}
    assert seen == {(name, figure) for name, all_of_it in figures(report).items() for figure in all_of_it}
    for cell in cells:
        figure = figures(report)[cell["data-model"]][cell["data-figure"]]
        if figure["value"] is None:
            assert cell["text"] == "-" and "data-value" not in cell
        else:
            assert float(cell["data-value"]) == pytest.approx(figure["value"], rel=1e-9)
            assert cell["text"] == shown(cell["data-figure"], figure["value"])


def test_every_mark_of_a_plot_is_the_figure_in_json(drawn, report):
    marks = [e for tag in ("circle", "rect") for e in drawn.find(tag) if "data-figure" in e]
    drawn = {(e["data-model"], e["data-figure"]) for e in marks}
    plotted = {"light_p50", "light_p90", "light_p99", "light_p99.9", "image_rate", "gzip_rate", "encrypt_rate"}
    known = {(name, f) for name, of in figures(report).items() for f in plotted if of[f]["value"] is not None}
    assert drawn == known
    for mark in marks:
        assert float(mark["data-value"]) == pytest.approx(figures(report)[mark["data-model"]][mark["data-figure"]]["value"], rel=1e-9)


def test_marks_lie_where_their_values_are(drawn, report):
    """A decade is as high everywhere, and bars begin at zero."""
    dots = [(math.log10(float(e["data-value"])), float(e["cy"])) for e in drawn.find("circle") if "data-figure" in e]
    dots = dots[: len(dots) // 2]  # the wide plot; the narrow one follows
    (low, low_y), (high, high_y) = min(dots), max(dots)
    for value, y in dots:
        assert y == pytest.approx(low_y + (value - low) * (high_y - low_y) / (high - low), abs=0.2)
    width = float(drawn.find("rect", **{"class": "track"})[0]["width"])  # as long as the best round of all models
    for figure in ("image_rate", "gzip_rate", "encrypt_rate"):
        longest = max(of[figure]["highest"] or 0 for of in figures(report).values())
        for bar in drawn.find("rect", data_figure=figure):
            assert float(bar["width"]) == pytest.approx(width * float(bar["data-value"]) / longest, abs=0.2)


def test_the_words_name_the_numbers_of_the_table(page, report, directory):
    of = figures(report)
    workers, inline = of["workers"]["light_p99"]["value"], of["inline"]["light_p99"]["value"]
    finding = report["words"][0]
    assert page.find("h1")[0]["text"] == finding["text"]
    assert f"within {shown('light', workers)} ms" in finding["text"]
    assert f"within {shown('light', inline)} ms: {inline / workers:.0f} times longer" in finding["text"]
    assert finding["ratio"] == pytest.approx(inline / workers)
    texts = [e["text"] for e in page.find("p") + page.find("li")]
    terminal = (directory / "table.txt").read_text()
    for sentence in report["words"]:
        assert sentence["text"] in terminal
        assert sentence["topic"] == "finding" or sentence["text"] in texts
    for model in ("inline", "none", "libuv"):
        ratio = of["workers"]["heavy_index"]["value"] / of[model]["heavy_index"]["value"]
        assert any(f"workers did {ratio:.2f} times as much as {model}" in text for text in texts)
    costs = [sentence["text"] for sentence in report["words"] if sentence["topic"] == "cost"]
    for model in OURS:
        assert any(f"The model {model} " in text and f"within {shown('light', of[model]['light_p99']['value'])} ms" in text for text in costs)


def test_doubtful_rounds_are_named_and_do_not_hide(page, report):
    notes = [s["text"] for s in report["words"] if s["topic"] == "note"]
    assert len(notes) == 3
    failed = report["models"][OURS.index("threads")]
    assert failed["rounds"][2]["measured"] is False and failed["rounds"][2]["failure"] in notes[1]
    assert failed["figures"]["light_p99"]["rounds"][2] is None
    assert report["models"][0]["rounds"][3]["invalid"] in notes[0]
    assert PEER in notes[2]


def test_a_figure_is_the_median_of_its_rounds(report):
    for name, of in figures(report).items():
        for figure, it in of.items():
            known = sorted(v for v in it["rounds"] if v is not None)
            if known and not figure.endswith("max"):
                middle = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
                assert it["value"] == pytest.approx(middle, rel=1e-9), (name, figure)
                assert (it["lowest"], it["highest"]) == (known[0], known[-1])
            elif not known:
                assert it["lowest"] is None


def test_all_that_was_run_is_said(page, report):
    text = " ".join(e["text"] for e in page.elements if e["tag"] != "script")
    for model in report["models"]:
        assert model["command"] in text and model["title"] in text
    assert report["run"]["machine"] in text and report["run"]["libraries"] in text


@pytest.fixture(scope="module")
def seen(directory, tmp_path_factory):
    browser = shutil.which("chromium")
    if browser is None or shutil.which("node") is None or not all((PACKAGES / name).exists() for name in ("playwright-core", "axe-core")):
        pytest.skip("needs chromium, node and playwright-core (script/bootstrap --test)")
    pictures = os.environ.get("MILLRACE_SCREENSHOTS") or tmp_path_factory.mktemp("pictures")
    command = ["node", Path(__file__).with_name("look.mjs"), browser, directory / "report.html", pictures]
    run = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def drawn(seen):
    """The plots, as the script drew them."""
    return Page("".join(seen[0]["drawings"]))


def test_drawings_say_what_they_show(seen):
    for view in seen:
        assert len(view["drawings"]) == 2 + 8 + 3 + 6  # curves twice, timelines, bars, and lag of what has a loop
    ids = set()
    for text in seen[0]["drawings"]:
        svg = ET.fromstring(text.replace(' xmlns="http://www.w3.org/2000/svg"', ""))
        title, desc = svg.find("title"), svg.find("desc")
        assert svg.get("role") == "img" and svg.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
        assert title.text and desc.text and not re.search("nan|undefined|null|infinity", text, re.I)
        assert title.get("id") not in ids
        ids.add(title.get("id"))


def test_the_page_stands_alone(page, report):
    """What runs in it is in it, and a policy forbids all else."""
    data, code = page.find("script")
    assert json.loads(data["text"]) == report and "<" not in data["text"], "no name ends the script"
    assert data["type"] == "application/json" and set(code) == {"tag", "text"}
    assert "default-src 'none'" in page.find("meta", http_equiv="Content-Security-Policy")[0]["content"]
    style = page.find("style")[0]["text"]
    assert "@import" not in style and "url(" not in style
    for element in page.elements:
        assert not any(name.startswith("on") for name in element)
        for name in ("src", "href"):
            assert element.get(name, "data:").startswith("data:")


def test_a_browser_has_no_complaint_and_asks_for_nothing(seen):
    assert [(v["colorScheme"], v["name"]) for v in seen] == [(c, n) for c in ("light", "dark") for n in ("wide", "phone")]
    for view in seen:
        assert view["complaints"] == [] and view["requests"] == []


def test_no_page_scrolls_sideways(seen):
    for view in seen:
        assert view["scrollWidth"] <= view["clientWidth"], view["name"]


def test_texts_are_legible(seen):
    for view in seen:
        assert view["worst"]["contrast"] >= 4.5, view["worst"]
        assert view["smallest"]["size"] >= 11, view["smallest"]
        assert view["violations"] == []
        assert view["overlaps"] == []
