"""Control groups where they are permitted, on a tree of files as the kernel would show it."""

import os
from pathlib import Path

import pytest

from ftd.jobs import cgroup
from ftd.jobs.cgroup import Group, Groups, open_groups
from fttrain.spec import mark
from fttrain.spec.rundir import ProcessIdentity


class Tree:
    """A machine's /proc and control groups, with the daemon in one of these."""

    def __init__(self, root: Path, own: str) -> None:
        self.proc, self.mount, self.state = root / "proc", root / "groups", root / "state"
        self.systemd = root / "systemd"
        self.own = self.mount / own.lstrip("/")
        for folder in (self.proc / "self", self.own, self.state):
            folder.mkdir(parents=True)
        (self.proc / "self/cgroup").write_text(f"4:memory:/elsewhere\n0::{own}\n")
        self.mounted("/")
        if own != "/":
            (self.own / "cgroup.events").write_text("populated 1\nfrozen 0\n")

    def mounted(self, within: str) -> None:
        """Say what of the hierarchy is mounted."""
        lines = (
            "24 1 0:21 / /proc rw - proc proc rw",
            "30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
            f"31 1 0:27 {within} {self.mount} rw,nosuid shared:9 - cgroup2 cgroup2 rw",
        )
        (self.proc / "self/mountinfo").write_text("\n".join(lines) + "\n")

    def opened(self) -> Groups:
        """Return the groups of a daemon that starts here."""
        return open_groups(self.state, proc=self.proc, systemd=self.systemd)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each new folder be a group, as in the kernel's own file system."""
    real = Path.mkdir

    def mkdir(path: Path, *args: object, **kwargs: bool) -> None:
        real(path, *args, **kwargs)  # type: ignore[arg-type]
        for file in ("cgroup.procs", "cgroup.subtree_control"):
            (path / file).touch()

    monkeypatch.setattr(Path, "mkdir", mkdir)


@pytest.mark.usefixtures("made")
def test_groups_are_made_beneath_the_daemons_own(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "/job")

    groups = tree.opened()

    assert groups.base is not None
    assert groups.base.parent == tree.own
    assert groups.environment == {mark.GROUPS: str(groups.base)}
    assert groups.base.is_dir()


@pytest.mark.usefixtures("made")
def test_a_part_of_the_hierarchy_that_is_mounted_is_found(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "/job")
    (tree.proc / "self/cgroup").write_text("0::/docker/4711/job\n")
    tree.mounted("/docker/4711")

    assert cgroup.own_group(tree.proc) == tree.own


@pytest.mark.usefixtures("made")
def test_two_state_directories_have_groups_of_their_own(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "/job")
    first = tree.opened()
    tree.state = tmp_path / "other"

    assert tree.opened().base != first.base


@pytest.mark.parametrize("lacking", ["root", "none", "systemd", "files"])
def test_without_permission_there_are_no_groups(tmp_path: Path, lacking: str) -> None:
    tree = Tree(tmp_path, "/" if lacking == "root" else "/job")
    if lacking == "none":
        (tree.proc / "self/cgroup").write_text("4:memory:/job\n")
    if lacking == "systemd":
        tree.systemd.mkdir()  # and it has not delegated the group

    assert tree.opened() == Groups()
    assert Groups().environment == {}
    assert Groups().of(ProcessIdentity.of(os.getpid())) is None


def test_where_the_folder_cannot_be_written_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(tmp_path, "/job")

    def refuse(path: Path, **_: bool) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)

    assert tree.opened() == Groups()


@pytest.mark.usefixtures("made")
def test_systemds_word_at_the_group_permits_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Tree(tmp_path, "/ftd.service")
    tree.systemd.mkdir()
    said = {str(tree.own): b"1"}
    monkeypatch.setattr(os, "getxattr", lambda path, name: said[str(path)] if name else b"")

    assert tree.opened().base is not None


@pytest.mark.usefixtures("made")
def test_memory_is_handed_on_only_from_beside_the_daemons_own_group(tmp_path: Path) -> None:
    apart, together = Tree(tmp_path / "a", "/ftd/daemon"), Tree(tmp_path / "b", "/ftd")
    (apart.own.parent / "cgroup.events").touch()
    for tree in (apart, together):
        (tree.own / "cgroup.subtree_control").touch()
        (tree.own.parent / "cgroup.subtree_control").touch()

    base, other = apart.opened().base, together.opened().base

    assert base is not None
    assert other is not None
    assert base.parent == apart.own.parent
    for group in (base, base.parent):
        assert (group / "cgroup.subtree_control").read_text() == "+memory"
    assert (other.parent / "cgroup.subtree_control").read_text() == ""


def group_with(folder: Path, **files: str) -> Group:
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return Group(path=folder)


def test_a_group_is_read_and_ended_by_its_files(tmp_path: Path) -> None:
    group = group_with(tmp_path / "1.2", cgroup_kill="", cgroup_procs="7\n8\n")

    group.kill()

    assert (group.path / "cgroup.kill").read_text() == "1"
    assert group.pids() == [7, 8]


def test_what_a_group_lacks_is_not_made(tmp_path: Path) -> None:
    group = group_with(tmp_path / "1.2")

    group.kill()

    assert group.pids() == []
    assert list(group.path.iterdir()) == []
    assert group.remove()
    assert group.remove()


def test_groups_of_shims_that_are_gone_are_tidied_away(tmp_path: Path) -> None:
    own = ProcessIdentity.of(os.getpid())
    assert own is not None
    alive = tmp_path / mark.group_of(own)
    for folder in (alive, tmp_path / f"{own.pid}.1", tmp_path / "somebody-elses"):
        folder.mkdir()

    Groups(base=tmp_path).tidy()

    assert sorted(tmp_path.iterdir()) == sorted([alive, tmp_path / "somebody-elses"])
