"""Bills of materials: of a package and of an image that are made here. What SPDX 2.3 asks for, and nothing that changes from run to run."""

import hashlib
import json
import subprocess

import pytest
from server import ROOT

WRITE = ROOT / "deploy/write-sbom"
BUILDINFO = """Format: 1.0
Source: millrace
Installed-Build-Depends:
 gcc-12 (= 12.2.0-14+deb12u1),
 libuv1 (= 1.44.2-1+deb12u1),
 libvips42 (= 8.14.1-3),
 node-llhttp (= 8.1.0~5.0+~cs8.2.3-1)
Environment:
 SOURCE_DATE_EPOCH="1796040000"
"""


def written(*arguments, text=""):
    result = subprocess.run([WRITE, *map(str, arguments)], input=text, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def package(tmp_path):
    tree = tmp_path / "tree/DEBIAN"
    tree.mkdir(parents=True)
    (tree / "control").write_text(
        "Package: millrace\nVersion: 0.1.0\nArchitecture: amd64\nMaintainer: Nobody <nobody@millrace.invalid>\n"
        "Depends: libuv1 (>= 1.44), libvips42 | libvips43\nDescription: the smallest\n"
    )
    path = tmp_path / "millrace_0.1.0_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree.parent, path], check=True, capture_output=True)
    (tmp_path / "buildinfo").write_text(BUILDINFO)
    return path


def assert_well_formed(document):
    assert document["spdxVersion"] == "SPDX-2.3" and document["dataLicense"] == "CC0-1.0" and document["SPDXID"] == "SPDXRef-DOCUMENT"
    ids = [each["SPDXID"] for each in document["packages"]]
    assert len(ids) == len(set(ids)) and all(each.startswith("SPDXRef-") for each in ids)
    assert all(each["name"] and each["versionInfo"] and each["downloadLocation"] for each in document["packages"])
    for each in document["relationships"]:
        assert {each["spdxElementId"], each["relatedSpdxElement"]} <= {*ids, "SPDXRef-DOCUMENT"}


def related(document, kind):
    names = {each["SPDXID"]: each["name"] for each in document["packages"]} | {"SPDXRef-DOCUMENT": None}
    return {(names[each["spdxElementId"]], names[each["relatedSpdxElement"]]) for each in document["relationships"] if each["relationshipType"] == kind}


def test_a_package_s_tells_what_it_needs_from_what_it_was_made_with(package, tmp_path):
    document = written(package, tmp_path / "buildinfo")
    assert_well_formed(document)
    assert related(document, "DESCRIBES") == {(None, "millrace")}
    assert related(document, "DEPENDS_ON") == {("millrace", "libuv1"), ("millrace", "libvips42")}
    assert related(document, "STATIC_LINK") == {("millrace", "node-llhttp")}
    assert related(document, "BUILD_TOOL_OF") == {("gcc-12", "millrace")}
    assert document["packages"][0]["checksums"][0]["checksumValue"] == hashlib.sha256(package.read_bytes()).hexdigest()
    assert document["creationInfo"]["created"] == "2026-11-30T12:00:00Z", "the changelog's time"
    vips = next(each for each in document["packages"] if each["name"] == "libvips42")
    assert vips["externalRefs"][0]["referenceLocator"] == "pkg:deb/debian/libvips42@8.14.1-3"
    assert document == written(package, tmp_path / "buildinfo")


def test_an_image_s_has_what_it_contains(tmp_path):
    image = tmp_path / "millrace_0.1.0_image.tar"
    image.write_bytes(b"layers")
    document = written("--image", image, "0.1.0", "1796040000", text="libvips42 8.14.1-3\nlibc6 2.36-9+deb12u14\nlibc6 2.36-9+deb12u14\n")
    assert_well_formed(document)
    assert related(document, "CONTAINS") == {("millrace-image", "libc6"), ("millrace-image", "libvips42")}
    assert document["packages"][0]["checksums"][0]["checksumValue"] == hashlib.sha256(b"layers").hexdigest()
