"""Archives, honest and hostile."""

import io
import tarfile


def member(name, content=b"", **said):
    """Return a member of an archive and its content; `said` is what its header says beside."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in said.items():
        setattr(info, key, value)
    return info, content


def link(name, target, kind=tarfile.SYMTYPE):
    """Return a link."""
    return member(name, type=kind, linkname=target)


def pack(path, *members, mode="w"):
    """Write an archive; return its path."""
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


class _Zeros(io.RawIOBase):
    def read(self, size=-1):
        return bytes(size)


def bomb(path, size_bytes=32 * 2**20):
    """Write an archive of a few hundred bytes that unpacks to this."""
    info, _ = member("train/huge.jpg")
    info.size = size_bytes
    with tarfile.open(path, "w:bz2") as tar:
        tar.addfile(info, _Zeros())
    return path


PHOTO = member("train/ants/1.jpg", b"photo")

# Each with what is said of it.
HOSTILE = {
    "a parent": (
        [PHOTO, member("train/../../evil.jpg", b"x")],
        "  train/../../evil.jpg: leads out of the data set",
    ),
    "an absolute name": (
        [PHOTO, member("/etc/passwd", b"x")],
        "  /etc/passwd: is an absolute path",
    ),
    "a link out": (
        [PHOTO, link("train/ants/2.jpg", "../../../secret")],
        "  train/ants/2.jpg: is a link to ../../../secret, outside the archive",
    ),
    "an absolute link": (
        [PHOTO, link("train/ants/2.jpg", "/etc/shadow")],
        "  train/ants/2.jpg: is a link to /etc/shadow, outside the archive",
    ),
    "a hard link out": (
        [PHOTO, link("train/ants/2.jpg", "../secret", tarfile.LNKTYPE)],
        "  train/ants/2.jpg: is a link to ../secret, outside the archive",
    ),
    "a device": (
        [PHOTO, member("train/ants/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
        "  train/ants/null: is a device",
    ),
    "a named pipe": (
        [PHOTO, member("train/ants/pipe", type=tarfile.FIFOTYPE)],
        "  train/ants/pipe: is a named pipe",
    ),
    "a case clash": (
        [PHOTO, member("train/Ants/1.JPG", b"other")],
        "  train/Ants/1.JPG: differs from train/ants/1.jpg in case alone, or in how letters are "
        "composed",
    ),
}
BOMB = "  train/huge.jpg: would unpack to more than 1,000 times the size of the archive"


def refusal(path, told):
    """Return the whole of what is said of an archive with one fault."""
    return f"{path} holds a file that cannot be pushed; nothing was sent\n{told}"
