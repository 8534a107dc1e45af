"""Calls at random: which method, and what requests it brings."""

import base64
import hashlib
import io
import json
import random
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from PIL import Image

from finetuned.v1 import dataset_pb2, dataset_service_pb2, job_pb2, model_service_pb2
from finetuned.v1.job_service_pb2 import SubmitJobRequest
from ftd.rpc.methods import _FILES as SERVICES
from tests.chaos.grammar import Grammar, Recipes
from tests.chaos.messages import Messages
from tests.e2e.recipes import small

NEVER = Timestamp(seconds=253_402_300_799)
"""The last moment there is: no job waits as long."""
_TIMES_AS_OFTEN = {"SubmitJob": 4, "PlanRecipe": 4}
_SPOILED = 0.1
_TOLD = 3
"""Share of streams that tell a whole story: one in so many does not."""


def methods() -> list[MethodDescriptor]:
    """Return every method of the API."""
    return [
        method
        for file in SERVICES
        for service in file.services_by_name.values()
        for method in service.methods
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: a method and the requests that it brings, as bytes."""

    method: MethodDescriptor
    requests: Sequence[bytes]

    @property
    def path(self) -> str:
        """The method as gRPC calls it."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    def __str__(self) -> str:
        """Return a text that `of` reads."""
        packed = zlib.compress(json.dumps([each.hex() for each in self.requests]).encode())
        return f"{self.path} {base64.b64encode(packed).decode()}"

    @classmethod
    def of(cls, text: str) -> "Call":
        """Read what `str` has given."""
        path, packed = text.split()
        method = next(each for each in methods() if path.endswith(f"/{each.name}"))
        requests = json.loads(zlib.decompress(base64.b64decode(packed)))
        return cls(method=method, requests=[bytes.fromhex(each) for each in requests])


@dataclass(frozen=True, kw_only=True)
class Known:
    """What there is at the daemon, for requests that shall mean something."""

    photos: Path
    schema: Mapping[str, Any]
    model: str
    """The id of a job that has made a model."""
    jobs: deque[str] = field(default_factory=lambda: deque(["ants"], 12))
    pushes: deque[str] = field(default_factory=lambda: deque(["0" * 32], 4))
    tokens: deque[str] = field(default_factory=lambda: deque([""], 4))

    def learn(self, reply: Message) -> None:
        """Remember what a reply tells of."""
        told = {each.name: getattr(reply, each.name) for each in reply.DESCRIPTOR.fields}
        if (job := told.get("job")) and job.id and job.id != self.model:
            self.jobs.append(job.id)
            self.jobs.append(job.spec.name)
        if told.get("push_id"):
            self.pushes.append(told["push_id"])
        if told.get("next_page_token"):
            self.tokens.append(told["next_page_token"])

    @cached_property
    def photo(self) -> bytes:
        """A small image."""
        out = io.BytesIO()
        Image.new("RGB", (32, 24), "red").save(out, "JPEG")
        return out.getvalue()

    @cached_property
    def sound(self) -> list[dict[str, Any]]:
        """Recipes that can be planned."""
        photos = small(self.photos, epochs=1)
        digits = {**photos, "data": {"digits": {}, "workers": 0}}
        fake = {"classes": 3, "train": 12, "val": 6, "side": 32}
        made = {**photos, "data": {**photos["data"], "fake": fake}}
        del made["data"]["folder"]
        zoo = {**made, "model": {"name": "squeezenet1_1", "weights": "none"}}
        return [photos, digits, made, zoo]


def calls(known: Known, *, count: int, seed: int, only: str = "") -> Iterator[Call]:
    """Yield calls, of one method or of all: the same seed gives the same ones, but for ids."""
    among = [each for each in methods() if only in ("", each.name)]
    weighted = [each for each in among for _ in range(_TIMES_AS_OFTEN.get(each.name, 1))]
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        yield _Maker(chance, known).call(chance.choice(weighted))


class _Maker:
    """Makes one call."""

    def __init__(self, chance: random.Random, known: Known) -> None:
        self._chance = chance
        self._known = known
        paths = [str(known.photos), "/proc/self", "relative", str(known.photos / "gone")]
        hints = {"path": paths, "name": ["resnet18", "squeezenet1_1", "vit_b_16", "timm/resnet10t"]}
        grammar = Grammar(chance=chance, schema=known.schema, hints=hints)
        self._recipes = Recipes(grammar=grammar, sound=known.sound)
        self._messages = Messages(chance=chance, hints=self._hints())

    def _hints(self) -> Mapping[str, Callable[[], Any]]:
        known, pick = self._known, self._chance.choice
        kinds = ("model", "checkpoint/best", "picture/curves", "curves", "confusion", "predictions")
        return {
            "job": lambda: pick((*known.jobs, known.model[:5], "model")),
            "jobs": lambda: pick((*known.jobs, "model")),
            "after": lambda: pick((*known.jobs, "model")),
            "name": lambda: pick(("ants", "bees", "a-b", "shapes")),
            "kind": lambda: pick(kinds),
            "metrics": lambda: pick(("loss", "accuracy", "recall", "lr")),
            "recipe_json": self._recipes.text,
            "device": lambda: pick(("sim0", "sim1", "sim", "cpu")),
            "dataset": lambda: pick(("shapes", "ants", "root/shapes")),
            "push_id": lambda: pick(known.pushes),
            "page_token": lambda: pick(known.tokens),
            "sha256": lambda: hashlib.sha256(known.photo).digest(),
            "size_bytes": lambda: len(known.photo),
            "path": lambda: pick(("a.jpg", "train/a/b.jpg", "train/A/b.jpg", "/x", "train")),
        }

    def call(self, method: MethodDescriptor) -> Call:
        """Return a call of a method."""
        made = self._stream(method) if method.client_streaming else [self._one(method)]
        data = [each.SerializeToString() for each in made]
        if data and self._chance.random() < _SPOILED:
            position = self._chance.randrange(len(data))
            data[position] = self._messages.spoiled(data[position])
        return Call(method=method, requests=data)

    def _one(self, method: MethodDescriptor) -> Message:
        made = self._messages.make(method.input_type)
        if isinstance(made, SubmitJobRequest):
            if self._chance.random() < 0.6:
                made.spec.CopyFrom(self._sane(made.spec))
            made.spec.not_before.CopyFrom(NEVER)
        elif method.name == "DeleteJob" and self._known.model.startswith(made.job):  # type: ignore[attr-defined]
            made.job = "ants"  # type: ignore[attr-defined]
        return made

    def _sane(self, spec: job_pb2.JobSpec) -> job_pb2.JobSpec:
        name = spec.name if self._chance.random() < 0.1 else ""
        text = spec.recipe_json if self._chance.random() < 0.1 else self._recipes.text()
        after = list(spec.after) if self._chance.random() < 0.1 else []
        return job_pb2.JobSpec(name=name, recipe_json=text, after=after)

    def _stream(self, method: MethodDescriptor) -> list[Message]:
        story = {
            "PredictImages": self._predicting,
            "BeginPush": self._beginning,
            "SendFiles": self._sending,
        }[method.name]
        if self._chance.randrange(_TOLD):
            return story()
        kind = method.input_type
        return [self._messages.make(kind) for _ in range(self._chance.choice((0, 1, 2, 5)))]

    def _predicting(self) -> list[Message]:
        ask = model_service_pb2.PredictImagesRequest
        images = (self._known.photo, self._known.photo[:200], b"", b"GIF89a" + bytes(50))
        whom = self._hints()["job"]()
        sent = [
            ask(data=self._chance.choice(images), is_last=self._chance.random() < 0.9)
            for _ in range(self._chance.randrange(4))
        ]
        return [ask(job=whom), *sent]

    def _beginning(self) -> list[Message]:
        ask, file = dataset_service_pb2.BeginPushRequest, dataset_pb2.DatasetFile
        photo = self._known.photo
        sizes = (len(photo), len(photo), 0, -1, 2**62)
        files = [
            file(
                path=self._chance.choice((f"train/a/{number}.jpg", f"{number}.jpg", "../x")),
                size_bytes=self._chance.choice(sizes),
                sha256=hashlib.sha256(photo).digest(),
            )
            for number in range(self._chance.randrange(4))
        ]
        return [ask(name="shapes", files=files[:1]), ask(files=files[1:])]

    def _sending(self) -> list[Message]:
        ask = dataset_service_pb2.SendFilesRequest
        half = len(self._known.photo) // 2
        halves = ((0, self._known.photo[:half]), (half, self._known.photo[half:]), (-1, b"x"))
        pieces = [
            ask(index=number, offset=offset, data=data)
            for number in range(self._chance.randrange(3))
            for offset, data in halves[: self._chance.choice((2, 2, 3))]
        ]
        return [ask(push_id=self._hints()["push_id"]()), *pieces]
