"""Events as watchers get them: made once for all who watch the same job."""

from collections import OrderedDict

from finetuned.v1 import job_service_pb2 as pb
from ftd.jobs.model import Event, JobId
from ftd.rpc import convert

KEPT = 64
"""A thousand watchers are within the same few events; those that are behind make their own."""


class Telling:
    """Turns events into replies, and keeps the latest."""

    def __init__(self) -> None:
        self._replies: OrderedDict[tuple[JobId, int], pb.WatchJobResponse] = OrderedDict()

    def of(self, event: Event) -> pb.WatchJobResponse:
        """Return the reply that tells an event. Nobody may change it."""
        key = event.job_id, event.sequence
        if (known := self._replies.get(key)) is not None:
            return known
        made = pb.WatchJobResponse(event=convert.event_to_proto(event))
        self._replies[key] = made
        if len(self._replies) > KEPT:
            self._replies.popitem(last=False)
        return made
