"""What a made-up job leaves behind."""

from collections.abc import Iterator

from finetuned.v1 import job_pb2
from ftctl.comparison import verdicts


def content(kind: str, job: job_pb2.Job) -> bytes:
    """Return what is in a file of a job: verdicts that agree with its figures, else some text."""
    if kind == verdicts.KIND:
        return "".join(_verdicts(job)).encode()
    return f"{kind} of {job.id}\n".encode() * 100


def _verdicts(job: job_pb2.Job) -> Iterator[str]:
    yield f"{','.join(verdicts.HEADER)}\n"
    for evaluation in job.evaluations:
        if evaluation.split != "val":
            continue
        labels = [each.label for each in evaluation.classes]
        for place, each in enumerate(evaluation.classes):
            other = labels[place - 1]
            for number in range(each.count):
                said = each.label if number < each.correct else other
                yield f"val/{each.label}/{number}.jpg,{each.label},{said},0.75\n"
