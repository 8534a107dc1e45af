"""EvaluationService of a fake daemon: what the job is said to have scored, on whatever images."""

from collections.abc import Iterator
from typing import Any

from finetuned.v1 import evaluation_service_pb2 as api
from finetuned.v1 import job_pb2
from finetuned.v1.evaluation_service_pb2_grpc import EvaluationServiceServicer
from ftctl.testing import story
from ftctl.testing.ledger import Entry, Ledger
from ftctl.testing.plot_service import PNG
from ftctl.testing.refusal import Refusal


class Evaluations(EvaluationServiceServicer):
    """EvaluationService."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def EvaluateJob(
        self, request: api.EvaluateJobRequest, context: Any
    ) -> Iterator[api.EvaluateJobResponse]:
        """Say what the job scored."""
        with self._ledger.news:
            entry = self._ledger.find(request.job)
            images = self._images(request, entry)
            evaluation = _evaluation(entry)
        evaluation.split = "" if request.path or request.dataset else request.split or "val"
        count = evaluation.score.count
        for done in (0, count):
            told = api.EvaluationProgress(done=done, images=count)
            yield api.EvaluateJobResponse(progress=told)
        report = api.EvaluationReport(evaluation=evaluation, images=images)
        yield api.EvaluateJobResponse(report=report)
        if request.verdicts:
            yield api.EvaluateJobResponse(verdicts=_verdicts(evaluation))
        if request.confusion:
            yield api.EvaluateJobResponse(confusion=PNG)

    def _images(self, request: api.EvaluateJobRequest, entry: Entry) -> str:
        """Return what the images are called. Raises Refusal where they cannot be had."""
        name = entry.job.spec.name
        match request.WhichOneof("images"):
            case "path":
                return _path(request.path)
            case "dataset":
                self._ledger.find_dataset(request.dataset.split("/")[0])
                return f"dataset:{request.dataset}"
        if request.allow_missing:
            told = "allow_missing: is for given images; those of a job have all"
            raise Refusal("INVALID_ARGUMENT", told)
        if request.split == "test":
            raise Refusal(
                "TEST_LOCKED",
                f"the test images of {name} are read once, by the job itself at its end: figures "
                f"that can be asked for again and again are no test; `ftctl get {name}` has what "
                "came of it",
            )
        if request.split not in ("", "val", "train"):
            told = f"split: there are no images `{request.split}`; there are val and train"
            raise Refusal("INVALID_ARGUMENT", told)
        which = "training" if request.split == "train" else "validation"
        return f"the {which} images of {name}"


def _path(path: str) -> str:
    if not path.startswith("/"):
        told = f"path: `{path}` is not absolute; say it from the root of the daemon's machine"
        raise Refusal("INVALID_ARGUMENT", told)
    return path


def _evaluation(entry: Entry) -> job_pb2.Evaluation:
    """Return what the net of a job scores. Raises Refusal where it has none."""
    evaluated = next((epoch for epoch in reversed(entry.job.epochs) if epoch.best), None)
    if evaluated is None:
        raise Refusal("ARTIFACT_NOT_FOUND", _no_net(entry))
    return story.evaluation(evaluated.epoch)


def _no_net(entry: Entry) -> str:
    name = entry.job.spec.name
    state = job_pb2.JobState.Name(entry.job.state).removeprefix("JOB_STATE_")
    if entry.has_ended:
        return (
            f"job {name} ended {state} before an epoch was evaluated: it has no checkpoint; "
            f"`ftctl get {name}` says why"
        )
    return (
        f"job {name} has no checkpoint yet: it is {state.lower()}, and no epoch of it has been "
        f"evaluated; `ftctl watch {name}` shows when"
    )


def _verdicts(evaluation: job_pb2.Evaluation) -> bytes:
    lines = ["image,label,predicted,confidence"]
    labels = [each.label for each in evaluation.classes]
    for each in evaluation.classes:
        other = next((label for label in labels if label != each.label), each.label)
        for number in range(each.count):
            said = each.label if number < each.correct else other
            lines.append(f"{each.label}/{number}.jpg,{each.label},{said},0.75")
    return "".join(f"{line}\n" for line in lines).encode()
