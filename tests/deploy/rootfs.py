"""A Dockerfile's steps in a fresh root file system, where no container engine is at hand.

FROM is debootstrap's minimal Debian; RUN is chroot in a mount namespace of its own; COPY, ENV,
WORKDIR and USER are as a builder does them. Of the host, steps see pip's cache and the local
folders and certificates that pip's own configuration names, and nothing else.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

NEEDED = ("debootstrap", "unshare", "chroot", "mount")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = "/tmp/certificates.pem"
DESCRIBING = {"FROM", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
# How pip reaches its packages; all else of its configuration is the host's business.
PIP_OPTIONS = re.compile(r".*-(url|links|host)|cert")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An instruction and its text."""

    word: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What steps see of the host."""

    variables: Mapping[str, str]
    """As build arguments are: seen by RUN, not part of the image."""
    folders: tuple[Path, ...]
    """Read-only, at the same path."""
    pip_cache: Path
    certificates: Path | None


@dataclass(slots=True, kw_only=True)
class Image:
    """A root file system that grows step by step, and what the steps so far have set."""

    root: Path
    context: Path
    host: Host
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    workdir: str = "/"
    user: str = "root"

    def take(self, step: Step) -> None:
        """Do a step; those that only describe the container change nothing here."""
        match step.word:
            case "RUN":
                self.run(step.text)
            case "COPY":
                self._copy(shlex.split(step.text))
            case "ENV":
                self.environment |= dict(pair.split("=", 1) for pair in shlex.split(step.text))
            case "WORKDIR":
                self.workdir = step.text
                self.inside(step.text).mkdir(parents=True, exist_ok=True)
            case "USER":
                self.user = step.text
            case word:
                assert word in DESCRIBING, f"no builder for {word}"

    def run(self, text: str) -> str:
        """Run a shell command as the step RUN does; return what it wrote."""
        options, script = _options(text)
        variables = {**self.host.variables, **self.environment}
        inner = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        inner += ["/bin/sh", "-c", f"cd {shlex.quote(self.workdir)} && {script}"]
        chroot = ["chroot", f"--userspec={self.user}:{self.user}", str(self.root), *inner]
        outer = " && ".join([*self._mounts(options), f"exec {shlex.join(chroot)}"])
        done = _capture(["unshare", "--mount", "--propagation", "private", "sh", "-c", outer])
        assert done.returncode == 0, f"RUN {text}\n{done.stdout}"
        return done.stdout

    def inside(self, path: str | Path) -> Path:
        """Return where a path of the image is on the host."""
        return self.root / str(Path(self.workdir, path)).lstrip("/")

    def _mounts(self, options: Sequence[str]) -> Iterator[str]:
        yield f"mount -t proc proc {self.inside('/proc')}"
        for option in options:
            if match := re.fullmatch(r"--mount=type=cache,target=(\S+)", option):
                yield _bound(self.host.pip_cache, self.inside(match[1]))
        for folder in self.host.folders:
            place = self.inside(folder)
            yield f"{_bound(folder, place)} && mount -o remount,ro,bind {place}"
        if self.host.certificates:
            shutil.copy(self.host.certificates, self.inside(CERTIFICATES))

    def _copy(self, words: list[str]) -> None:
        into = self.inside(words.pop())
        for source in (self.context / word for word in words):
            if source.is_dir():
                unwanted = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, into, dirs_exist_ok=True, ignore=unwanted)
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, into)


def steps(dockerfile: Path) -> list[Step]:
    """Return the instructions of a file, in order."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    parts = [line.partition(" ") for line in whole if line.strip()]
    return [Step(word=word.upper(), text=text.strip()) for word, _, text in parts]


def new_image(dockerfile: Path, *, context: Path, root: Path) -> Image:
    """Make the minimal Debian that a file is FROM."""
    (base,) = (step.text for step in steps(dockerfile) if step.word == "FROM")
    match = re.fullmatch(r"debian:([a-z]+)-slim", base)
    assert match, f"{base} is not debian:RELEASE-slim, which debootstrap can make"
    done = _capture(["debootstrap", "--variant=minbase", match[1], str(root)])
    assert done.returncode == 0, done.stdout
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    return Image(root=root, context=context, host=_host())


def _options(text: str) -> tuple[list[str], str]:
    """Part what RUN is told from its command."""
    match = re.match(r"((?:--\S+\s+)*)(.*)", text, re.DOTALL)
    assert match
    return match[1].split(), match[2]


def _bound(outside: Path, inside: Path) -> str:
    return f"mkdir -p {inside} && mount --bind {outside} {inside}"


def _host() -> Host:
    config = _pip_config()
    certificates = config.pop("cert", None)
    variables = {f"PIP_{name.upper().replace('-', '_')}": text for name, text in config.items()}
    if certificates:
        variables["PIP_CERT"] = CERTIFICATES
    # Bytecode is half of the time, and nobody runs this image often.
    variables |= {"PIP_NO_COMPILE": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    return Host(
        variables=variables,
        folders=tuple(folder for text in config.values() for folder in _local(text)),
        pip_cache=_pip_cache(),
        certificates=Path(certificates) if certificates else None,
    )


def _pip_config() -> dict[str, str]:
    """Return what pip is told on this machine of where packages are; the environment last."""
    pip = shutil.which("pip3") or shutil.which("pip")
    listed = _capture([pip, "config", "list"]).stdout if pip else ""
    told: dict[str, str] = {}
    for source in ("global", "install", ":env:"):
        told |= re.findall(rf"^{source}\.([\w-]+)='(.*)'$", listed, re.MULTILINE)
    return {name: text for name, text in told.items() if PIP_OPTIONS.fullmatch(name)}


def _pip_cache() -> Path:
    place = Path(os.environ.get("PIP_CACHE_DIR", Path.home() / ".cache" / "pip"))
    place.mkdir(parents=True, exist_ok=True)
    return place


def _local(text: str) -> Iterator[Path]:
    """Yield the folders of this machine that a value of pip's configuration names."""
    for word in text.split():
        parts = urlsplit(word)
        if parts.scheme in ("", "file") and parts.path.startswith("/"):
            path = Path(parts.path)
            yield path.parent if parts.scheme and path.name == "simple" else path


def _capture(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
