"""Print what has a shell complete commands, options, live job names and device ids."""

import asyncio
import itertools
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module

from ftctl.cli import VERBS, WITHOUT_DAEMON

EPILOG = """\
to have it in each new shell:
  bash  echo 'eval "$(ftctl completion bash)"' >> ~/.bashrc
  zsh   echo 'eval "$(ftctl completion zsh)"' >> ~/.zshrc, after compinit
  fish  ftctl completion fish > ~/.config/fish/completions/ftctl.fish
"""
DAEMON_OPTIONS = ("--socket", "--server", "--ca")
ACTIONS = {
    "artifacts": ("list", "pull"),
    "context": ("add", "use", "list", "rm"),
    "dataset": ("push", "list", "show", "rm"),
    "devices": ("drain", "resume"),
}
LIVE = {
    **dict.fromkeys(
        (
            "watch",
            "get",
            "cancel",
            "pause",
            "resume",
            "logs",
            "metrics",
            "artifacts",
            "delete",
            "predict",
            "plot",
            "evaluate",
            "compare",
            "similarity",
            "model",
        ),
        "jobs",
    ),
    "dataset": "datasets",
    "devices": "devices",
    "recipes": "recipes",
}
"""What a daemon is asked for, by verb."""
LATEST_JOBS = 200
# Whoever pressed Tab does not wait for a daemon that hangs.
PATIENCE_S = 2.0

# `__complete` is given the words up to the cursor; where it has nothing to say, files are offered.
SCRIPTS = {
    "bash": """\
_ftctl() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(ftctl completion __complete \\
    "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _ftctl ftctl
""",
    "zsh": """\
_ftctl() {
  local -a found
  found=(${(f)"$(ftctl completion __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( $#found )); then compadd -a found; else _files; fi
}
compdef _ftctl ftctl
""",
    "fish": """\
function __ftctl_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (ftctl completion __complete $words[2..-1] 2>/dev/null)
  if set -q found[1]
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c ftctl -f -a '(__ftctl_complete)'
""",
}


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("shell", metavar="SHELL", choices=list(SCRIPTS), help=", ".join(SCRIPTS))


async def run(args: Namespace) -> int:
    """Run the verb."""
    sys.stdout.write(SCRIPTS[args.shell])
    return 0


def answer(words: Sequence[str]) -> int:
    """Print what the last of some words may become, one each line."""
    found = asyncio.run(candidates(words or [""]))
    sys.stdout.write("".join(f"{word}\n" for word in found))
    return 0


async def candidates(words: Sequence[str]) -> list[str]:
    """Return what the last of some words may become; nothing: a file, or it cannot be told."""
    *before, begun = words
    return [word for word in await _all(before, begun) if word.startswith(begun)]


async def _all(before: list[str], begun: str) -> list[str]:
    verb = next((word for word in before if word in VERBS), "")
    rest = before[before.index(verb) + 1 :] if verb else before
    if begun.startswith("-"):
        return _options(verb)
    if not verb:
        return list(VERBS)
    daemon = _given_daemon(before)
    if verb in ACTIONS and not set(rest) & set(ACTIONS[verb]):
        return list(ACTIONS[verb])
    if verb == "completion":
        return list(SCRIPTS)
    if verb == "predict" and any(not word.startswith("-") for word in rest):
        return []  # behind the job stand files
    if verb == "model" and rest[-1:] != ["--job"]:
        return []  # a job file
    if verb == "context":
        return _contexts(rest[-1])
    if verb == "dataset" and not _wants_dataset(rest):
        return []
    return await _live(LIVE[verb], daemon) if verb in LIVE else []


def _options(verb: str) -> list[str]:
    parser = ArgumentParser() if verb else import_module("ftctl.cli").parser([])
    if verb:
        if verb not in WITHOUT_DAEMON:
            import_module("ftctl.cli").add_daemon(parser)
        import_module(f"ftctl.cli.{verb}").configure(parser)
    return [
        option for action in parser._actions for option in action.option_strings if option != "-h"
    ]


def _given_daemon(before: list[str]) -> dict[str, str]:
    pairs = itertools.pairwise(before)
    return {option[2:]: value for option, value in pairs if option in DAEMON_OPTIONS}


def _contexts(action: str) -> list[str]:
    if action not in ("use", "rm"):
        return []
    contexts, errors = import_module("ftctl.contexts"), import_module("ftctl.errors")
    try:
        known = contexts.read(contexts.place()).servers
    except errors.FtctlError:
        return []
    return [*known, *([contexts.LOCAL] if action == "use" else [])]


def _wants_dataset(rest: list[str]) -> bool:
    """Return whether a name comes next; behind it, `push` takes a file."""
    return rest[-1] in ("push", "show", "rm")


async def _live(kind: str, daemon: dict[str, str]) -> list[str]:
    """Ask the daemon for names; without one there are none."""
    # These take longer to load than all else that completion does.
    errors = import_module("ftctl.errors")
    make = import_module("ftctl._async.client").AsyncClient
    try:
        client = make(**daemon)
        async with asyncio.timeout(PATIENCE_S), client:
            if kind == "devices":
                return [device.id for device in await client.devices()]
            if kind == "recipes":
                return [recipe.name for recipe in await client.recipes()]
            if kind == "datasets":
                return [dataset.name for dataset in await client.datasets()]
            jobs = await client.jobs(limit=LATEST_JOBS)
            return list(dict.fromkeys(job.name for job in jobs))
    except (errors.FtctlError, TimeoutError):
        return []
