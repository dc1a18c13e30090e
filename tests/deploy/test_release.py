"""script/release begins only with what a release needs; and the version is the same wherever it stands."""

import re
import shutil
import subprocess

import pytest
import yaml
from server import ROOT, environment

VERSION = re.search(r"(?m)^project\(millrace VERSION (\S+) ", (ROOT / "CMakeLists.txt").read_text())[1]
PARTS = ("CMakeLists.txt", "CHANGELOG.md", "deploy/debian/changelog", "deploy/debian/control", "script/release")


def git(tree, *words):
    identity = ("-c", "user.name=test", "-c", "user.email=test@millrace.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=tree, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path):
    """A repository of what script/release looks at before it builds. It has a dist/ from before."""
    if shutil.which("git") is None:
        pytest.skip("no git")
    for part in PARTS:
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / part, tmp_path / part)
    (tmp_path / "CHANGELOG.md").write_text(f"## [{VERSION}] - 2026-11-30\n")
    (tmp_path / ".gitignore").write_text("/dist/\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "all of it")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/before").touch()
    return tmp_path


def refusal(tree, **more):
    result = subprocess.run([tree / "script/release"], capture_output=True, text=True, env=environment(DEBEMAIL="jane@media.example") | more)
    assert result.returncode == 1 and (tree / "dist/before").exists(), "nothing was begun"
    return result.stderr


@pytest.mark.parametrize("name", ["CHANGELOG.md", "deploy/debian/changelog"])
def test_a_changelog_without_the_version_is_named(tree, name):
    path = tree / name
    path.write_text(path.read_text().replace(VERSION, "0.0.9"))
    git(tree, "commit", "-qam", "another version")
    assert name in refusal(tree) and VERSION in refusal(tree)


def test_what_is_not_committed_is_not_released(tree):
    (tree / "new").touch()
    assert "not committed" in refusal(tree)


def test_the_placeholder_maintains_nothing(tree):
    assert "maintainers@millrace.invalid is a placeholder or no address: set DEBEMAIL" in refusal(tree, DEBEMAIL="")


@pytest.mark.parametrize("address", ["nobody", " ", "Jane <jane@media.invalid>", "Jane <jane@media.example>", "jane@media.invalid"])
def test_what_is_no_address_alone_maintains_nothing(tree, address):
    assert f"{address} is a placeholder or no address" in refusal(tree, DEBEMAIL=address)


def test_with_all_of_it_the_build_begins(tree):
    """With the parts of this tree there is nothing that could build."""
    result = subprocess.run([tree / "script/release"], capture_output=True, text=True, env=environment(DEBEMAIL="jane@media.example"))
    assert result.returncode == 127 and "script/package" in result.stderr
    assert not (tree / "dist").exists()


def test_the_version_is_the_same_wherever_it_stands():
    assert f"\n## [{VERSION}] - " in (ROOT / "CHANGELOG.md").read_text()
    assert (ROOT / "deploy/debian/changelog").read_text().startswith(f"millrace ({VERSION})")
    for form in ("stateless", "store"):
        kustomization = yaml.safe_load((ROOT / f"deploy/kubernetes/{form}/kustomization.yaml").read_text())
        assert [image["newTag"] for image in kustomization["images"]] == [VERSION]
    assert yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())["services"]["millrace"]["image"] == f"millrace:{VERSION}"
    named = re.findall(r"\bmillrace[_:](\d+\.\d+\.\d+)|\bv(\d+\.\d+\.\d+)", (ROOT / "docs/deploy.md").read_text())
    assert {one or other for one, other in named} == {VERSION}
