"""The real zygote over workers that misbehave as the name of their job tells them.

Each act stands for a fault that no honest recipe can cause.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from fttrain import distress, events, zygote
from fttrain.spec import rundir


def say(run_dir: Path, *records: events.Record) -> None:
    """Append records to the journal."""
    with (run_dir / rundir.JOURNAL).open("ab") as file:
        for record in records:
            file.write(events.encode(record, time=time.time()))


def begin(run_dir: Path) -> None:
    """Say what every worker says first."""
    card = rundir.read_attempt(run_dir)
    say(
        run_dir,
        events.Header(format=events.FORMAT, job_id=card.job_id, attempt=card.attempt),
        events.Started(pid=os.getpid()),
    )


def sleep_for_ever() -> None:
    """Do nothing until a signal ends the process."""
    while True:
        signal.pause()


def ignore_sigterm(run_dir: Path) -> int:
    """Never end by SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begin(run_dir)
    sleep_for_ever()
    return 0


def _breed() -> None:
    """Make a child and a double-forked, setsid'd grandchild that ignore SIGTERM."""
    ready, tell = os.pipe()
    for depth in (1, 2):
        if (child := os.fork()) == 0:
            os.setsid()
            if depth == 2 and os.fork() != 0:
                os._exit(0)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(tell, b"x")
            sleep_for_ever()
        if depth == 2:
            os.waitpid(child, 0)  # Else whoever looks soon finds three.
    for _ in range(2):
        os.read(ready, 1)


def leave_orphans(run_dir: Path) -> int:
    """Have such children and wait."""
    _breed()
    begin(run_dir)
    sleep_for_ever()
    return 0


def leave_orphans_and_exit(run_dir: Path) -> int:
    """Have such children and end well."""
    _breed()
    return finish(run_dir)


def die_of_segv(run_dir: Path) -> int:
    """Crash."""
    begin(run_dir)
    print("about to crash", flush=True)
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def die_twice(run_dir: Path) -> int:
    """End by a signal in the first two attempts, and well in the third."""
    begin(run_dir)
    if rundir.read_attempt(run_dir).attempt == 3:
        say(run_dir, events.Finished(best_epoch=1, best_accuracy=1.0))
        return 0
    print("killed amid its work", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def stall_and_finish(run_dir: Path) -> int:
    """Make some steps and no more, in two threads; in the second attempt, end well."""
    distress.arm()
    begin(run_dir)
    say(run_dir, events.PhaseChanged(phase="training", epoch=1))
    say(run_dir, *(_steps(number) for number in range(1, 5)))
    if rundir.read_attempt(run_dir).attempt == 2:
        say(run_dir, events.Finished(best_epoch=1, best_accuracy=1.0))
        return 0
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    sleep_for_ever()
    return 0


def stall_unheard(run_dir: Path) -> int:
    """Make a step, and then nothing that any signal but SIGKILL could end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    begin(run_dir)
    say(run_dir, events.PhaseChanged(phase="training", epoch=1), _steps(1))
    os.kill(os.getpid(), signal.SIGSTOP)
    sleep_for_ever()
    return 0


def wait(run_dir: Path) -> int:
    """Wait for a signal."""
    begin(run_dir)
    sleep_for_ever()
    return 0


def heed_what_is_asked(run_dir: Path) -> int:
    """Train 10 steps in each attempt; then end as is asked, by a pause or after the epoch."""
    begin(run_dir)
    step = 10 * rundir.read_attempt(run_dir).attempt
    say(run_dir, _steps(step))
    while not rundir.is_to_pause(run_dir):
        if rundir.is_to_finish(run_dir):
            say(run_dir, events.Finished(best_epoch=1, best_accuracy=1.0))
            return 0
        time.sleep(0.01)
    say(run_dir, events.Suspended(epoch=1, step=step))
    return 0


def lose_the_shim_when_paused(run_dir: Path) -> int:
    """Kill the shim above in place of a pause."""
    begin(run_dir)
    while not rundir.is_to_pause(run_dir):
        time.sleep(0.01)
    os.kill(os.getppid(), signal.SIGKILL)
    sleep_for_ever()
    return 0


def _steps(step: int) -> events.Steps:
    return events.Steps(
        epoch=1, epochs=1, first=step, steps=100, lrs=[[0.1]], losses=[0.5], mean_loss=0.5,
        images=8 * step, images_per_second=1.0, data_wait_s=0.0, data_wait_ratio=0.0,
    )  # fmt: skip


def finish(run_dir: Path) -> int:
    """Do all there is to do."""
    begin(run_dir)
    print("all done", flush=True)
    say(run_dir, events.Finished(best_epoch=1, best_accuracy=1.0))
    return 0


def raise_an_error(run_dir: Path) -> int:
    """Break off with an exception that nobody expected."""
    begin(run_dir)
    raise RuntimeError("nobody expected this")


def lose_the_shim(run_dir: Path) -> int:
    """Kill the shim above: the kernel ends this worker with it, and no account is left."""
    begin(run_dir)
    os.kill(os.getppid(), signal.SIGKILL)
    sleep_for_ever()
    return 0


def tell_an_epoch_and_lose_the_shim(run_dir: Path) -> int:
    """Tell one epoch more than the attempt before, all of them again, until it is the seventh."""
    begin(run_dir)
    attempt = rundir.read_attempt(run_dir).attempt
    say(run_dir, *(_epoch(number) for number in range(1, attempt + 1)))
    if attempt == 7:
        say(run_dir, events.Finished(best_epoch=1, best_accuracy=1.0))
    os.kill(os.getppid(), signal.SIGKILL)
    sleep_for_ever()
    return 0


def _epoch(number: int) -> events.EpochEnded:
    return events.EpochEnded(
        epoch=number, step=number, train=None, val=None, lrs=[], images_per_second=1.0,
        memory_bytes=1, seconds=0.1, best=False,
    )  # fmt: skip


ACTS = (
    ignore_sigterm, leave_orphans_and_exit, leave_orphans,
    heed_what_is_asked, lose_the_shim_when_paused,
    die_twice, stall_and_finish, stall_unheard,
    die_of_segv, wait, finish, raise_an_error, lose_the_shim, tell_an_epoch_and_lose_the_shim,
)  # fmt: skip


def worker(run_dir: Path) -> int:
    """Do what the job's name says."""
    name = rundir.read_attempt(run_dir).name.replace("-", "_")
    return next(act for act in ACTS if name.startswith(act.__name__))(run_dir)


def planner(folder: Path) -> int:
    """Accept every recipe; a net named `hang` keeps the planner busy for ever."""
    recipe = json.loads(json.loads((folder / "request.json").read_text())["recipe_json"])
    if recipe["model"]["name"] == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep_for_ever()
    (folder / rundir.PLAN).write_text("{}")
    return 0


def predictor(folder: Path) -> int:
    """Do what the file that stands for the model is called."""
    request = json.loads((folder / "request.json").read_text())
    match Path(request["model"]).name:
        case "hang":
            sleep_for_ever()
        case "raise":
            raise RuntimeError("nobody expected this")
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
    answer = json.dumps({"label": "ants", "probability": 0.75, "top": [["ants", 0.75]]})
    (folder / "answers.jsonl").write_text(f"{answer}\n" * len(request["images"]))
    return 0


def evaluator(folder: Path) -> int:
    """Do what the file that stands for the net is called."""
    request = json.loads((folder / "request.json").read_text())
    (folder / "progress.json").write_text(json.dumps({"done": 0, "images": 3}))
    match Path(request["model"]).name:
        case "hang":
            sleep_for_ever()
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
    score = {
        "loss": 0.5, "accuracy": 1.0, "correct": 3, "count": 3, "accuracy_low": 0.4,
        "accuracy_high": 1.0,
    }  # fmt: skip
    classes = [{"label": "ants", "count": 3, "predicted": 3, "correct": 3}]
    body = {
        "images": "these", "epoch": 2, "score": score, "classes": classes, "left_out": {},
        "notices": [],
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(body))
    return 0


def comparer(folder: Path) -> int:
    """Do what the file that stands for the first net is called."""
    request = json.loads((folder / "request.json").read_text())
    match Path(request["first"]["net"]).name:
        case "hang":
            sleep_for_ever()
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
    side = {"title": "ants/best", "epoch": 1}
    body = {
        "first": side, "second": side, "architecture": "resnet18", "images": 2, "layers": [],
        "only_first": [], "only_second": [], "notices": [],
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(body))
    return 0


if __name__ == "__main__":
    connection = socket.socket(fileno=int(sys.argv[1]))
    mains = zygote.Mains(
        worker=lambda: worker, planner=planner, predictor=predictor, plotter=predictor,
        evaluator=evaluator, comparer=comparer,
    )  # fmt: skip
    zygote.serve(connection, mains)
