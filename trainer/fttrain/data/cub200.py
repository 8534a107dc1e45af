"""CUB-200-2011, by its own lists."""

from pathlib import Path

from fttrain.data import published
from fttrain.data.decode import Decoding
from fttrain.data.published import NotThere
from fttrain.data.samples import Source
from fttrain.spec.origins import Cub200


def load(spec: Cub200, how: Decoding) -> Source:
    """Return the birds.

    Raises:
        RecipeFaults: where a list or an image is missing, or they do not go together.
    """
    root = Path(spec.path)
    try:
        names, labels, trained = (
            _table(root / name)
            for name in ("images.txt", "image_class_labels.txt", "train_test_split.txt")
        )
        classes = _table(root / "classes.txt")
        if not names.keys() == labels.keys() == trained.keys():
            raise NotThere(f"the lists in {root} are of different images")
        items = [
            (trained[number] == "1", (f"images/{path}", classes[labels[number]]))
            for number, path in names.items()
        ]
        return published.files(
            spec,
            name=f"CUB-200-2011 {spec.path}",
            root=root,
            classes=list(classes.values()),
            train=[item for is_trained, item in items if is_trained],
            test=[item for is_trained, item in items if not is_trained],
        ).source(how)
    except KeyError as error:
        what = f"{root}/image_class_labels.txt names class {error}, which classes.txt lacks"
        raise published.fault("data.cub200.path", what) from None
    except NotThere as error:
        raise published.fault("data.cub200.path", str(error)) from None


def _table(path: Path) -> dict[str, str]:
    """Return a list of lines `number text`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        what = "is missing or no text: this is the folder CUB_200_2011 with its lists and images/"
        raise NotThere(f"{path} {what}") from None
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise NotThere(f"{path} has a line that is not a number and a text")
    return {number: text.strip() for number, text in pairs}
