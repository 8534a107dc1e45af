"""Print what has a shell complete commands, options, live job names and device ids."""

import asyncio
import itertools
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module

from ftctl.cli import VERBS

EPILOG = """\
to have it in each new shell:
  bash  echo 'eval "$(ftctl completion bash)"' >> ~/.bashrc
  zsh   echo 'eval "$(ftctl completion zsh)"' >> ~/.zshrc, after compinit
  fish  ftctl completion fish > ~/.config/fish/completions/ftctl.fish
"""
OF_JOBS = ("watch", "get", "cancel", "logs", "metrics")
ACTIONS = ("drain", "resume")
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
  ftctl completion __complete $words[2..-1] 2>/dev/null
end
complete -c ftctl -f -a '(__ftctl_complete)'
complete -c ftctl -n '__fish_seen_subcommand_from submit' -F
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
    socket = _given_socket(before)
    match verb:
        case "completion":
            return list(SCRIPTS)
        case "devices" if not set(rest) & set(ACTIONS):
            return list(ACTIONS)
        case "devices":
            return await _live("devices", socket)
        case _ if verb in OF_JOBS:
            return await _live("jobs", socket)
    return []


def _options(verb: str) -> list[str]:
    parser = ArgumentParser() if verb else import_module("ftctl.cli").parser([])
    if verb:
        parser.add_argument("--socket")
        import_module(f"ftctl.cli.{verb}").configure(parser)
    return [
        option for action in parser._actions for option in action.option_strings if option != "-h"
    ]


def _given_socket(before: list[str]) -> str | None:
    pairs = itertools.pairwise(before)
    return next((path for option, path in pairs if option == "--socket"), None)


async def _live(kind: str, socket: str | None) -> list[str]:
    """Ask the daemon for names; without one there are none."""
    # These take longer to load than all else that completion does.
    errors = import_module("ftctl.errors")
    client = import_module("ftctl._async.client").AsyncClient(socket)
    try:
        async with asyncio.timeout(PATIENCE_S), client:
            if kind == "devices":
                return [device.id for device in await client.devices()]
            jobs = await client.jobs(limit=LATEST_JOBS)
            return list(dict.fromkeys(job.name for job in jobs))
    except (errors.FtctlError, TimeoutError):
        return []
