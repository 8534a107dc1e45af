"""What a daemon told of a real job, kept as JSON: `python -m tests.fakes.recorded JOB EPOCH FILE`.

It ends in the middle of that epoch. Paths are made relative to the working directory.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict

from finetuned.v1 import event_pb2, job_pb2, job_service_pb2, job_service_pb2_grpc
from ftctl import wire
from ftctl.channel import default_socket
from ftctl.models import Event, Job

ANTS_BEES = Path(__file__).parent / "recorded" / "ants-bees.json"
KEPT = ("state_changed", "planned", "progress", "epoch", "notice")


def job(file: Path = ANTS_BEES) -> tuple[Job, list[Event]]:
    """Return a recorded job and what was told of it."""
    kept = json.loads(file.read_text())
    events = [ParseDict(each, event_pb2.JobEvent()) for each in kept["events"]]
    return wire.job(ParseDict(kept["job"], job_pb2.Job())), [wire.event(each) for each in events]


def main(arguments: Sequence[str]) -> int:
    """Record a job of the daemon on this machine."""
    named, epoch, file = arguments
    with grpc.insecure_channel(f"unix:{default_socket()}") as channel:
        jobs = job_service_pb2_grpc.JobServiceStub(channel)
        found = jobs.GetJob(job_service_pb2.GetJobRequest(job=named)).job
        watched = jobs.WatchJob(job_service_pb2.WatchJobRequest(job=found.id))
        events = [answer.event for answer in watched]
    told = [each for each in events if each.WhichOneof("event") in KEPT]
    kept = {
        "job": _plain(job_pb2.Job(id=found.id, spec=found.spec)),
        "events": [_plain(each) for each in told[: _middle(told, int(epoch))]],
    }
    text = json.dumps(kept, indent=0, ensure_ascii=False).replace(f"{Path.cwd()}/", "")
    Path(file).write_text(f"{text}\n")
    return 0


def _middle(events: Sequence[event_pb2.JobEvent], epoch: int) -> int:
    """Return how many events there are up to the middle of an epoch."""
    within = [
        at
        for at, each in enumerate(events, 1)
        if each.progress.epoch == epoch and each.progress.phase == job_pb2.PHASE_TRAINING
    ]
    return within[len(within) // 2]


def _plain(message: event_pb2.JobEvent | job_pb2.Job) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
