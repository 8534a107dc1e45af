"""The command line: a parser that says what was probably meant."""

import argparse
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, NoReturn

# What other programs call our commands.
_MEANT = {
    **dict.fromkeys(("stop", "kill", "abort", "scancel"), ("cancel",)),
    **dict.fromkeys(("ls", "ps", "jobs", "queue", "squeue", "status"), ("list",)),
    **dict.fromkeys(("rm", "remove", "delete"), ("delete", "rm")),
    **dict.fromkeys(("show", "describe", "inspect"), ("get", "show")),
    **dict.fromkeys(("run", "train", "start", "sbatch"), ("submit",)),
    **dict.fromkeys(("follow", "attach"), ("watch",)),
    **dict.fromkeys(("diff", "vs", "versus"), ("compare",)),
    **dict.fromkeys(("download", "pull"), ("pull", "artifacts")),
    **dict.fromkeys(("upload", "push"), ("push", "dataset")),
    **dict.fromkeys(("gpus", "nvidia-smi"), ("devices",)),
}


class Parser(argparse.ArgumentParser):
    """Parses as its base does; whatever it does not know, it answers with the nearest."""

    def parse_known_args(  # type: ignore[override]  # the base has overloads for namespaces alone
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and refuse here, where the options are known, what is not known."""
        self._refuse_leading(args or [])
        parsed, rest = super().parse_known_args(args, namespace)
        for text in rest:
            if text.startswith("-"):
                self._refuse(text)
        if rest:
            self.error(f"`{rest[0]}` is one argument too many; `{self.prog} --help` says what fits")
        return parsed, rest

    def _refuse_leading(self, args: Sequence[str]) -> None:
        """Refuse an unknown first option: its value would be taken for a command."""
        first = args[0] if args else ""
        name = first.partition("=")[0]
        if first.startswith("--") and len(first) > 2 and not any(
            known.startswith(name) for known in self._option_string_actions
        ):  # fmt: skip
            self._refuse(first)

    def _refuse(self, option: str) -> NoReturn:
        name = option.partition("=")[0]
        known = [each for each in self._option_string_actions if each.startswith("--")]
        self.error(f"unknown option `{name}`{_hint(name, known, self.prog)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if isinstance(action.choices, range):
            least, most = action.choices[0], action.choices[-1]
            raise argparse.ArgumentError(action, f"should be {least} to {most}, not {value}")
        known = [str(choice) for choice in action.choices]
        if isinstance(action, argparse._SubParsersAction):
            meant = next((word for word in _MEANT.get(str(value), ()) if word in known), None)
            ending = _hint(meant or str(value), known, self.prog)
            self.error(f"unknown command `{value}`{ending}")
        near = import_module("ftctl.nearest").nearest(str(value), known)
        ending = f"did you mean `{near}`?" if near else f"known: {', '.join(known)}"
        raise argparse.ArgumentError(action, f"`{value}` is unknown; {ending}")


def _hint(given: str, known: Iterable[str], command: str) -> str:
    # Loaded where it is needed: most lines are right.
    found: str = import_module("ftctl.nearest").hint(given, known)
    return found or f"; `{command} --help` lists what there is"
