"""What the machines boot: this machine's own system under a layer of files that makes it a bare host.

The overlayfs layer removes, by whiteouts and opaque directories, what an EC2 host does not have (home
directories, the project itself, nginx, enabled services) and adds what it needs without a network (a package
repository with nginx, a fixed resolver). It is built once, and again when its recipe or the system changes;
the system itself is never written to. Packages installed on the system while machines run may be visible in
them partly: overlayfs defines no behaviour for that.

Most machines keep Java, whose installation takes some ten seconds. A second layer, built when it is first
needed, is for machines without Java, with Java's packages in their repository.
"""

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from lab.project import ROOT
from lab.sandbox.hosts import cgroups, dpkg_purge
from lab.sandbox.hosts.cleanup import lock

PROVIDED = ("nginx",)
"""Packages that a host can install without a network; none of them is installed at first."""
JAVA = ("default-jre-headless",)
"""Packages that a host without Java can install, too."""

# Top-level names of a system; any other one is not part of it.
_SYSTEM = (
    *("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32"),
    *("proc", "run", "sbin", "sys", "usr", "var"),
)
_EMPTIED = (
    *("home", "media", "mnt", "opt", "root", "srv", "tmp"),
    *("usr/local", "usr/lib/systemd/system-generators"),
    *(
        "var/backups",
        "var/cache/apt",
        "var/lib/apt/lists",
        "var/lib/nginx",
        "var/log",
        "var/spool",
        "var/tmp",
    ),
    *("etc/apt", "etc/nginx", "etc/systemd/system", "etc/systemd/system-generators", "etc/systemd/user"),
    *(f"etc/rc{level}.d" for level in "0123456S"),
)
_REMOVED = (
    "etc/nologin",
    "usr/sbin/policy-rc.d",  # prevents services from starting in containers
    "var/lib/man-db/auto-update",  # takes half of an installation's time
    "var/lib/systemd/random-seed",
)
_REPOSITORY = "var/lib/packages"
_JVM = "/usr/lib/jvm"
# Where a Java can be, however it was installed, and the files of its package of certificates.
_JAVA_TREES = (_JVM, "/usr/java", "/etc/ssl/certs/java")
# Java's packages without files there.
_JAVA_COMMON = frozenset({"java-common", "ca-certificates-java"})
# What systemd starts by default, and a machine without console, hardware and users does not need.
_MASKED = (
    *("console-getty.service", "getty@.service", "getty.target", "systemd-logind.service"),
    *("systemd-ask-password-wall.path", "systemd-ask-password-console.path"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-firstboot.service"),
    *("systemd-binfmt.service", "systemd-hwdb-update.service", "systemd-journal-catalog-update.service"),
    *("systemd-resolved.service", "systemd-networkd.service", "systemd-networkd.socket"),
    *("systemd-tmpfiles-clean.timer", "ldconfig.service", "modprobe@.service", "kmod-static-nodes.service"),
    *("dev-hugepages.mount", "dev-mqueue.mount"),
)
_FILES = {
    "etc/apt/sources.list": f"deb [trusted=yes] file:/{_REPOSITORY} ./\n",
    "etc/fstab": "",
    # There is no name server: names are in /etc/hosts, and others fail at once.
    "etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    "etc/systemd/journald.conf.d/50-host.conf": "[Journal]\nStorage=persistent\nForwardToSyslog=no\n",
}
# Directories that programs expect in the emptied ones, with Debian's modes.
_DIRECTORIES = {
    "etc/apt/apt.conf.d": 0o755,
    "etc/apt/preferences.d": 0o755,
    "etc/apt/trusted.gpg.d": 0o755,
    "etc/systemd/system/multi-user.target.wants": 0o755,
    "usr/local/bin": 0o755,
    "usr/local/sbin": 0o755,
    "var/log/journal": 0o2755,
}


class Layer:
    """A directory tree that becomes the upper layer over `below`. Paths are relative to the root."""

    def __init__(self, directory: Path, below: Path = Path("/")) -> None:
        self.directory = directory
        self.below = below
        directory.mkdir()
        self._resemble(directory, below)

    @staticmethod
    def _resemble(path: Path, original: Path) -> None:
        """Copy owner and mode: in an overlay, those of the upper directory count."""
        state = original.stat()
        os.chown(path, state.st_uid, state.st_gid)
        path.chmod(stat.S_IMODE(state.st_mode))

    def make_parents(self, path: str) -> Path:
        """Return the path in the layer, and create its parents like those below."""
        made, original = self.directory, self.below
        for name in Path(path).parts[:-1]:
            made, original = made / name, original / name
            if not made.exists():
                made.mkdir()
                made.chmod(0o755)
                if original.is_dir() and not original.is_symlink():
                    self._resemble(made, original)
        return made / Path(path).name

    def write(self, path: str, text: str) -> None:
        """Write a file, in place of anything below."""
        place = self.make_parents(path)
        place.write_text(text)
        place.chmod(0o644)

    def link(self, path: str, target: str) -> None:
        """Create a symbolic link, in place of anything below."""
        self.make_parents(path).symlink_to(target)

    def remove(self, path: str) -> None:
        """Hide what is below, if anything."""
        if os.path.lexists(self.below / path):
            os.mknod(self.make_parents(path), stat.S_IFCHR, os.makedev(0, 0))

    def empty(self, path: str) -> None:
        """Create a directory that hides what is below."""
        place = self.make_parents(path)
        place.mkdir(exist_ok=True)
        place.chmod(0o755)
        if (self.below / path).is_dir():
            self._resemble(place, self.below / path)
        os.setxattr(place, "trusted.overlay.opaque", b"y")


def mount(directory: Path, image: Path | None = None) -> Path:
    """Mount `upper` in this directory, filled with an image, over the system; return the root.

    The image is copied: overlayfs accepts no lower layer inside another one, as it is inside /. Raises
    RuntimeError when the file system cannot hold an upper layer, such as a container's own.
    """
    upper, work, root = directory / "upper", directory / "work", directory / "root"
    if image:
        _copy(image, upper)
    for path in (work, root):
        path.mkdir()
    options = f"lowerdir=/,upperdir={upper},workdir={work}"
    argv = ["mount", "-t", "overlay", "overlay", "-o", options, str(root)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"{directory} cannot hold an overlay's upper layer ({done.stderr.strip()}): "
            "keep the project on a file system such as ext4 or xfs, not inside a container's own"
        )
    return root


def copy(state: Path, directory: Path, *, java: bool = True) -> Path:
    """Copy the layer that makes a bare host, with Java or without, to a run's directory; return its path.

    The original is below `state`. If there is none for this recipe and system, it is built in the run's
    directory and control group, so that what a killed build leaves is removed with the run. Raises
    RuntimeError when the system lacks Java or the packages cannot be downloaded.
    """
    if not Path("/usr/bin/java").exists():
        raise RuntimeError("no /usr/bin/java, which every host needs: run lab/setup.sh packages")
    recipe = hashlib.sha256(str(ROOT).encode())
    for part in (
        *(Path(__file__), Path(dpkg_purge.__file__)),
        *(Path("/var/lib/dpkg/status"), Path("/etc/os-release")),
    ):
        recipe.update(part.read_bytes())
    originals = state / f"image-{recipe.hexdigest()[:12]}"
    with_java, without = originals / "with-java", originals / "without-java"
    original = with_java if java else without
    with lock(state / "image.lock"):
        if not originals.exists():
            for other in state.glob("image-*"):
                shutil.rmtree(other)
            originals.mkdir()
        if not with_java.exists():
            _build(directory, with_java)
        if not original.exists():
            _build_without_java(directory, with_java, without)
        _copy(original, directory / original.name)
    return directory / original.name


def _copy(original: Path, to: Path) -> None:
    """Copy with owners, modes, whiteouts and the extended attributes of overlayfs."""
    subprocess.run(["cp", "--archive", "--reflink=auto", str(original), str(to)], check=True)


def _build(run: Path, original: Path) -> None:
    work = Path(mkdtemp(prefix="building-", dir=run))
    _bare(work / "upper")
    root = mount(work)
    group = f"{run.name}/image"
    _in(root, group, _purge(root))
    _provide(work, group, PROVIDED)
    _keep(work, original)


def _build_without_java(run: Path, with_java: Path, original: Path) -> None:
    work = Path(mkdtemp(prefix="building-", dir=run))
    root = mount(work, with_java)
    group = f"{run.name}/image"
    unwanted = dpkg_purge.owners(root, _JVM) | (_JAVA_COMMON & _installed(root))
    # apt knows which packages depend on them.
    simulated = _in(root, group, ["apt-get", "--quiet", "--simulate", "purge", *sorted(unwanted)])
    unwanted |= {line.split()[1] for line in simulated.splitlines() if line.startswith(("Purg ", "Remv "))}
    dpkg_purge.purge(root, unwanted)
    dpkg_purge.purge_alternatives(root, _JVM)
    dpkg_purge.remove_trees(root, _JAVA_TREES)
    shutil.rmtree(root / _REPOSITORY)
    _provide(work, group, (*PROVIDED, *JAVA))
    _in(root, group, ["apt-get", "--quiet", "check"])
    _keep(work, original)


def _keep(work: Path, original: Path) -> None:
    subprocess.run(["umount", str(work / "root")], check=True)
    (work / "upper").rename(original)
    shutil.rmtree(work)


def _bare(directory: Path) -> None:
    layer = Layer(directory)
    for entry in sorted(os.listdir("/")):
        if entry not in _SYSTEM and entry not in _EMPTIED:
            layer.remove(entry)
    for path in _EMPTIED:
        layer.empty(path)
    for path in _REMOVED:
        layer.remove(path)
    project = ROOT.relative_to("/")
    if (directory / project.parts[0]).is_dir() and not any(project.is_relative_to(path) for path in _EMPTIED):
        layer.remove(str(project))
    for path, mode in _DIRECTORIES.items():
        place = layer.make_parents(path)
        place.mkdir()
        place.chmod(mode)
    for path, text in _FILES.items():
        layer.write(path, text)
    for unit in _MASKED:
        layer.link(f"etc/systemd/system/{unit}", "/dev/null")
    layer.link("etc/systemd/system/default.target", "/usr/lib/systemd/system/multi-user.target")
    for generator in Path("/usr/lib/systemd/system-generators").iterdir():
        layer.link(f"etc/systemd/system-generators/{generator.name}", "/dev/null")


def _in(root: Path, group: str, argv: list[str]) -> str:
    """Run a command in the image, which is not booted; return its output. Raises RuntimeError."""
    nspawn = ["systemd-nspawn", "--quiet", "--pipe", "--settings=no", "--register=no", "--keep-unit"]
    nspawn += ["--private-network", "--resolv-conf=off", "--timezone=off", "--link-journal=no"]
    nspawn += ["--setenv=DEBIAN_FRONTEND=noninteractive", f"--directory={root}", "--", *argv]
    entering = cgroups.entering(cgroups.create(group), nspawn)
    done = subprocess.run(entering, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"image: {' '.join(argv)}: {(done.stdout + done.stderr)[-500:]}")
    return done.stdout


def _installed(root: Path) -> set[str]:
    """Return the packages that dpkg has in the image."""
    shown = subprocess.run(
        ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", "--showformat=${Package}\\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(shown.stdout.split())


def _purge(root: Path) -> list[str]:
    """Return the command that removes the provided packages, and their parts, from the image."""
    unwanted = [
        name
        for name in sorted(_installed(root))
        if any(name.removeprefix("lib").startswith(p) for p in PROVIDED)
    ]
    return ["apt-get", "--quiet", "--yes", "purge", *unwanted]


def _provide(work: Path, group: str, provided: Sequence[str]) -> None:
    """Add a repository of these packages with their dependencies to the image."""
    _download(work / "root" / _REPOSITORY, work, provided)
    _in(work / "root", group, ["apt-get", "--quiet", "update"])


def _download(repository: Path, work: Path, provided: Sequence[str]) -> None:
    repository.mkdir()
    archives, lists, status = work / "archives", work / "lists", work / "root/var/lib/dpkg/status"
    for directory in (archives, lists):
        (directory / "partial").mkdir(parents=True)
    apt = ["apt-get", "--quiet", "--yes", "-o", "Debug::NoLocking=true", "-o", "APT::Sandbox::User=root"]
    apt += ["-o", f"Dir::Cache::archives={archives}", "-o", f"Dir::State::status={status}"]
    own = [*apt, "-o", f"Dir::State::lists={lists}"]
    install = ["install", "--download-only", "--no-install-recommends", *provided]
    # This machine's package lists may be missing, or older than the mirror's content: then download new ones.
    if subprocess.run([*apt, *install], capture_output=True).returncode:
        for argv in ([*own, "update"], [*own, *install]):
            done = subprocess.run(argv, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"image: {' '.join(argv)}: {done.stderr[-500:]}")
    packages = list(archives.glob("*.deb"))
    if not packages:
        raise RuntimeError(f"image: apt-get downloaded nothing for {provided}: are they in its sources?")
    for package in packages:
        shutil.copy(package, repository)
    index = subprocess.run(
        ["apt-ftparchive", "packages", "."], cwd=repository, capture_output=True, check=True
    )
    (repository / "Packages").write_bytes(index.stdout)
