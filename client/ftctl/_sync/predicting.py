# Generated from ftctl/_async by `make sync`; do not edit.
"""What the models of jobs say of images on this machine."""

from collections.abc import Generator, Iterable, Sequence
from functools import partial
from pathlib import Path

from finetuned.v1 import model_service_pb2 as pb
from ftctl import predictions, status
from ftctl._sync.connection import Connection
from ftctl.errors import BadImage, FtctlError
from ftctl.predictions import Picture, Prediction
from ftctl.transport import blocking as transport

# Of one call: thousands of images beside training on every core.
DEADLINE_S = 6 * 3600.0


class Models:
    """The part of a client that is about the models of jobs."""

    _connection: Connection

    def predict(self, job: str, paths: Iterable[str | Path]) -> Generator[Prediction, None]:
        """Yield what a job's model says of images, in their order, as answers come.

        The daemon answers beside training, in batches; it keeps no image.

        Args:
            job: Id, prefix of an id, or name.
            paths: Image files of this machine; a folder means those in and beneath it, sorted.

        Raises:
            BadImage: naming the file. One that is missing or too large, before anything is sent;
                one that the daemon cannot decode, after the answers before it.
            ArtifactNotFound: where the job has no model yet.
        """
        found = transport.aside(partial(predictions.pictures, list(paths)))
        for group in predictions.calls(found):
            with transport.closing(_answers(self._connection, job, group)) as answers:
                for path, response in answers:
                    yield _prediction(path, response)


class _Sending:
    """The images of a call, on their way."""

    def __init__(self, job: str, pictures: Sequence[Picture]) -> None:
        self._job = job
        self._pictures = pictures
        self.failure: BadImage | None = None
        """What broke it off: gRPC would tell no error of ours."""

    def requests(self) -> Generator[pb.PredictImagesRequest, None]:
        """Yield what is to be sent; end early at a file that cannot be read any more."""
        yield pb.PredictImagesRequest(job=self._job)
        for picture in self._pictures:
            offset, is_last = 0, False
            while not is_last:
                try:
                    data = transport.aside(partial(predictions.piece, picture.path, offset))
                except BadImage as error:
                    self.failure = error
                    return
                offset, is_last = offset + len(data), len(data) < predictions.PIECE_BYTES
                yield pb.PredictImagesRequest(data=data, is_last=is_last)


def _answers(
    connection: Connection, job: str, pictures: Sequence[Picture]
) -> Generator[tuple[Path, pb.PredictImagesResponse], None]:
    """Yield the answers of one call, each with its file."""
    sending = _Sending(job, pictures)
    call = transport.opened(
        lambda: connection.models.PredictImages(sending.requests(), timeout=DEADLINE_S)
    )
    ending = transport.Ending(call)
    position = 0
    try:
        for response in call:
            yield pictures[position].path, response
            position += 1
    except transport.RpcError as error:
        said = status.from_rpc(ending.of(error), address=str(connection.address))
        raise sending.failure or _named(said, pictures) from None
    finally:
        call.cancel()
    if sending.failure is not None:
        raise sending.failure


def _prediction(path: Path, response: pb.PredictImagesResponse) -> Prediction:
    top = tuple((each.label, each.probability) for each in response.top)
    return Prediction(path=path, label=response.label, probability=response.probability, top=top)


def _named(error: FtctlError, pictures: Sequence[Picture]) -> FtctlError:
    """Have an error about an image of the call name its file."""
    if not isinstance(error, BadImage) or not 0 < error.place <= len(pictures):
        return error
    path = pictures[error.place - 1].path
    why = str(error).removeprefix(f"image {error.place} ")
    return BadImage(f"{path} {why}", path=path)
