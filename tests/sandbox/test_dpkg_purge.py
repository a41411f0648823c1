"""A purged package leaves nothing in the image; nothing else changes, and nothing outside of it."""

from pathlib import Path

import pytest

from lab.sandbox.hosts.dpkg_purge import owners, purge, purge_alternatives, remove_trees

STATUS = """\
Package: openjdk-17-jre-headless
Status: install ok installed
Description: a Java
 Package: no field

Package: libc6
Status: install ok installed

Package: maven
Status: install ok installed
"""
ALTERNATIVE = """\
auto
/usr/bin/{name}
{name}.1.gz
/usr/share/man/man1/{name}.1.gz

{home}/bin/{name}
1711
{home}/man/man1/{name}.1.gz

"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system of three packages, one of which brings a Java; /lib leads to /usr/lib."""
    root = tmp_path / "root"
    for directory in ("usr/lib/jvm/17/bin", "usr/bin", "usr/share/man/man1", "etc/alternatives"):
        (root / directory).mkdir(parents=True)
    for directory in ("info", "alternatives"):
        (root / "var/lib/dpkg" / directory).mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    dpkg = root / "var/lib/dpkg"
    dpkg.joinpath("status").write_text(STATUS)
    for name, paths in {
        "openjdk-17-jre-headless:amd64": "/.\n/usr\n/usr/lib/jvm\n/usr/lib/jvm/17/bin/java\n/lib/java.so\n",
        "libc6:amd64": "/.\n/lib/libc.so\n",
        "maven": "/.\n/usr/bin/mvn\n",
    }.items():
        dpkg.joinpath(f"info/{name}.list").write_text(paths)
        dpkg.joinpath(f"info/{name}.md5sums").touch()
    for path in ("usr/lib/jvm/17/bin/java", "usr/lib/java.so", "usr/lib/libc.so", "usr/bin/mvn"):
        (root / path).touch()
    for name, home in {"java": "/usr/lib/jvm/17", "vi": "/usr/share/vim"}.items():
        dpkg.joinpath(f"alternatives/{name}").write_text(ALTERNATIVE.format(name=name, home=home))
        (root / f"usr/bin/{name}").symlink_to(f"/etc/alternatives/{name}")
        (root / f"usr/share/man/man1/{name}.1.gz").symlink_to(f"/etc/alternatives/{name}.1.gz")
        (root / f"etc/alternatives/{name}").symlink_to(f"{home}/bin/{name}")
        (root / f"etc/alternatives/{name}.1.gz").symlink_to(f"{home}/man/man1/{name}.1.gz")
    return root


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or path.is_file()}


def test_a_package_owns_what_its_list_names(root: Path) -> None:
    assert owners(root, "/usr/lib/jvm") == {"openjdk-17-jre-headless"}
    assert owners(root, "/usr/lib/jv") == set()


def test_nothing_of_purged_packages_is_left_and_others_stay_whole(root: Path) -> None:
    gone = {
        *("usr/lib/jvm/17/bin/java", "usr/lib/java.so", "usr/bin/mvn"),
        *(f"var/lib/dpkg/info/openjdk-17-jre-headless:amd64.{kind}" for kind in ("list", "md5sums")),
        *(f"var/lib/dpkg/info/maven.{kind}" for kind in ("list", "md5sums")),
    }
    before = everything(root)
    purge(root, {"openjdk-17-jre-headless", "maven"})
    assert before - everything(root) == gone
    assert (root / "var/lib/dpkg/status").read_text() == "Package: libc6\nStatus: install ok installed\n\n"


def test_the_links_of_alternatives_go_with_their_records_and_other_links_stay(root: Path) -> None:
    before = everything(root)
    purge_alternatives(root, "/usr/lib/jvm")
    assert before - everything(root) == {
        *("usr/bin/java", "usr/share/man/man1/java.1.gz", "var/lib/dpkg/alternatives/java"),
        *("etc/alternatives/java", "etc/alternatives/java.1.gz"),
    }


def test_a_tree_is_removed_with_all_its_files(root: Path) -> None:
    remove_trees(root, ["/usr/lib/jvm", "/usr/java"])
    assert not (root / "usr/lib/jvm").exists()
    assert (root / "usr/lib/libc.so").exists()


def test_a_link_that_leads_out_of_the_image_is_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (root / "usr/java").symlink_to(outside)
    (root / "var/lib/dpkg/info/maven.list").write_text("/.\n/usr/java/precious\n")
    purge(root, {"maven"})
    (outside / "tree").mkdir()
    remove_trees(root, ["/usr/java/tree"])
    assert sorted(path.name for path in outside.iterdir()) == ["precious", "tree"]
