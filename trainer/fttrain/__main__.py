"""The engine alone: `python -m fttrain run recipe.yaml --out DIR`, without a daemon."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fttrain import openmp

if TYPE_CHECKING:
    from fttrain.recipefile import RecipeFile
    from fttrain.spec.plan import Means, Plan

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class BadInput(Exception):
    """Something that the user can put right; one line per fault."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0 done, 1 failed, 2 bad input, 130 ended by Ctrl-C."""
    args = parser().parse_args(argv)
    openmp.settle()
    commands = {"run": _run, "plan": _plan, "predict": _predict, "schema": _schema}
    try:
        return commands[args.command](args)
    except BadInput as bad:
        sys.stderr.write(f"{bad}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("ended by Ctrl-C; finished checkpoints stay\n")
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads any more, as with `| head`; the interpreter shall not complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(
        prog="python -m fttrain", description="Fine-tune image models, without a daemon."
    )
    verbs = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    run = verbs.add_parser("run", help="train a recipe into a run directory")
    plan = verbs.add_parser("plan", help="say how a recipe would be run")
    for verb in (run, plan):
        verb.add_argument("recipe", type=Path, help="a recipe or job file")
        verb.add_argument("--cpus", type=_count, help="cores to use; all where not stated")
        verb.add_argument(
            "--device", choices=["auto", "cpu", "cuda"], default="auto",
            help="where to train; auto, the default: on a GPU where torch finds one",
        )  # fmt: skip
    run.add_argument("--out", type=Path, required=True, help="a new folder for the run")
    run.add_argument(
        "--cache", type=Path, metavar="DIR",
        help="keep there what is made of images once, for later runs, too; up to a tenth of its "
        "disk. Not stated: each run for itself",
    )  # fmt: skip
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    predict = verbs.add_parser("predict", help="say what images show")
    predict.add_argument("model", type=Path, help="a run directory or model file")
    predict.add_argument("images", type=Path, nargs="+", help="image files")
    predict.add_argument("--json", action="store_true", help="print one JSON object per image")
    verbs.add_parser("schema", help="print the JSON Schema of a recipe")
    return whole


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _run(args: argparse.Namespace) -> int:
    from fttrain import run
    from fttrain.spec import recipe, rundir

    out: Path = args.out
    if (out / rundir.JOURNAL).exists():
        raise BadInput(f"{out} holds a run already; name a new folder with --out")
    file, plan = _planned(args)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{out} cannot be made a folder: {error.strerror}") from None
    rundir.write_aside(out / rundir.RECIPE, recipe.canonical(file.recipe).encode())
    rundir.write_aside(out / rundir.PLAN, plan.model_dump_json().encode())
    card = rundir.AttemptCard(job_id=file.name, attempt=1, name=file.name, **_kept(args.cache))
    rundir.write_card(out / rundir.ATTEMPT, card)
    return run.run(out)


def _kept(cache: Path | None) -> dict[str, Any]:
    """Return where a run keeps what others can use, and how much."""
    if cache is None:
        return {}
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{cache} cannot be made a folder: {error.strerror}") from None
    return {
        "cache": str(cache.resolve()),
        "cache_bytes": shutil.disk_usage(cache).total // 10,
    }


def _plan(args: argparse.Namespace) -> int:
    from fttrain import report

    _, plan = _planned(args)
    if args.json:
        _print(plan.model_dump_json(indent=2))
    else:
        _print(*report.plan_lines(plan))
    return DONE


def _predict(args: argparse.Namespace) -> int:
    from fttrain import predict
    from fttrain.artifacts.export import BadModel
    from fttrain.data.decode import BadImage

    try:
        for seen in predict.predict(args.model, args.images):
            if args.json:
                _print(json.dumps({**asdict(seen), "path": str(seen.path)}))
            else:
                _print(f"{seen.path}  {seen.label}  {seen.probability:.4f}")
    except (predict.NoModel, BadModel, BadImage) as bad:
        raise BadInput(str(bad)) from None
    return DONE


def _schema(args: argparse.Namespace) -> int:
    from fttrain.spec import based

    _print(json.dumps(based.schema(), indent=2))
    return DONE


def _means(args: argparse.Namespace) -> "Means":
    import torch

    from fttrain.spec.plan import Means

    cpus = args.cpus or len(os.sched_getaffinity(0))
    if args.device == "cpu" or (args.device == "auto" and not torch.cuda.is_available()):
        return Means(cpus=cpus)
    if not torch.cuda.is_available():
        raise BadInput("--device cuda: torch finds no GPU here; say cpu, or look at `nvidia-smi`")
    return Means(cpus=cpus, device="cuda", accelerator=torch.cuda.get_device_name())


def _planned(args: argparse.Namespace) -> "tuple[RecipeFile, Plan]":
    from fttrain import plan, recipefile
    from fttrain.spec.faults import RecipeFaults

    try:
        file = recipefile.read(args.recipe)
        if file.ignored:
            words = ", ".join(f"`{key}`" for key in file.ignored)
            verbs = (
                "concern the daemon and are" if file.ignored[1:] else "concerns the daemon and is"
            )
            sys.stderr.write(f"notice: {words} {verbs} ignored here\n")
        return file, plan.make(file.recipe, references={}, means=_means(args))
    except recipefile.BadRecipeFile as bad:
        raise BadInput(str(bad)) from None
    except RecipeFaults as found:
        raise BadInput(str(file.located(found))) from None


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
