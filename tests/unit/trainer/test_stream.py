"""Batches come in the stated order, the same for any number of loader processes."""

import multiprocessing
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from fttrain.data import sources
from fttrain.data.decode import BadImage
from fttrain.data.loaders import LoaderDied
from fttrain.data.order import batches, epoch_order
from fttrain.data.sources import Samples
from fttrain.data.stream import Batch, Stream, Task
from fttrain.data.view import EvalView, TrainView
from fttrain.spec.augmentation import Augmentation, HorizontalFlip, RandomResizedCrop
from fttrain.spec.images import Data, Folder, Preprocess
from tests.photos import make_photo_folder, photo

FRAMED = Preprocess(resize=32, crop=28, mean=[0.5], std=[0.5])
AUGMENT = [
    Augmentation(random_resized_crop=RandomResizedCrop(size=24)),
    Augmentation(horizontal_flip=HorizontalFlip()),
]
WORKERS = [0, 1, 3]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    root = make_photo_folder(tmp_path_factory.mktemp("stream") / "photos", per_class=7)
    return sources.load(Data(folder=Folder(path=str(root)))).train


def plan(samples: Samples, epochs: int = 2) -> Iterator[Task]:
    for epoch in range(1, epochs + 1):
        for indices in batches(epoch_order(len(samples), 0, epoch), 4, True):
            yield Task(epoch, indices)


def in_order(samples: Samples) -> list[Task]:
    return [Task(0, indices) for indices in batches(np.arange(len(samples)), 4, False)]


def facts(stream_of: Iterator[Batch]) -> list[tuple[int, list[int], list[int], bytes]]:
    return [
        (b.epoch, b.indices.tolist(), b.labels.tolist(), b.images.numpy().tobytes())
        for b in stream_of
    ]


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_batches_are_what_the_plan_says(samples: Samples) -> None:
    view = TrainView(FRAMED, AUGMENT, seed=5)
    with Stream(samples, view, workers=0) as stream:
        made = list(stream.run(plan(samples)))

    assert [(b.epoch, b.indices.tolist()) for b in made] == [
        (task.epoch, task.indices.tolist()) for task in plan(samples)
    ]
    for batch in made:
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape == (len(batch.indices), 3, 24, 24)
        assert batch.images.is_contiguous()
        assert batch.labels.dtype == torch.int64
        np.testing.assert_array_equal(batch.labels, samples.labels[batch.indices])
        for image, index in zip(batch.images, batch.indices.tolist(), strict=True):
            expected = view(samples.image(index), epoch=batch.epoch, index=index)
            assert torch.equal(image, expected)


@pytest.mark.parametrize("workers", WORKERS[1:])
def test_any_number_of_processes_makes_the_same_bytes(samples: Samples, workers: int) -> None:
    view = TrainView(FRAMED, AUGMENT, seed=5)
    with Stream(samples, view, workers=0) as here, Stream(samples, view, workers) as there:
        assert facts(there.run(plan(samples))) == facts(here.run(plan(samples)))


def test_real_photos_are_the_same_from_processes_after_parallel_operators(
    hymenoptera: Path,
) -> None:
    real = sources.load(Data(folder=Folder(path=str(hymenoptera)))).val
    view = TrainView(Preprocess(resize=64, crop=56, mean=[0.5], std=[0.5]), AUGMENT, seed=1)
    tasks = [Task(1, indices) for indices in batches(epoch_order(len(real), 0, 1)[:48], 16, False)]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.randn(700, 700) @ torch.randn(700, 700)  # Forked children of this must not hang.
        with Stream(real, view, workers=0) as here, Stream(real, view, workers=2) as there:
            assert facts(there.run(tasks)) == facts(here.run(tasks))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("workers", WORKERS)
def test_no_global_generator_is_moved(samples: Samples, workers: int) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()

    with Stream(samples, TrainView(FRAMED, AUGMENT, seed=5), workers) as stream:
        list(stream.run(plan(samples)))

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", WORKERS)
def test_an_empty_plan_has_no_batches(samples: Samples, workers: int) -> None:
    with Stream(samples, EvalView(FRAMED), workers) as stream:
        assert list(stream.run([])) == []


# --- processes --------------------------------------------------------------------------------


def test_processes_start_with_the_first_run_and_end_with_close(samples: Samples) -> None:
    with Stream(samples, EvalView(FRAMED), workers=2) as stream:
        assert children() == []
        running = stream.run(in_order(samples))
        assert len(children()) == 2
        next(running)

    assert children() == []


def test_processes_that_were_begun_ahead_serve_the_first_run(samples: Samples) -> None:
    with (
        Stream(samples, EvalView(FRAMED), 2) as stream,
        Stream(samples, EvalView(FRAMED), 0) as own,
    ):
        stream.begin()
        begun = {child.pid for child in children()}
        assert len(begun) == 2
        assert facts(stream.run(plan(samples))) == facts(own.run(plan(samples)))
        assert {child.pid for child in children()} == begun
    own.begin()
    assert children() == []


def test_processes_serve_one_run_after_another(samples: Samples) -> None:
    with Stream(samples, EvalView(FRAMED), workers=2) as stream:
        first = facts(stream.run(in_order(samples)))
        serving = children()
        assert facts(stream.run(in_order(samples))) == first
        assert children() == serving
        assert len(serving) == 2


def test_a_run_left_half_way_leaves_nothing_behind(samples: Samples) -> None:
    with Stream(samples, EvalView(FRAMED), workers=2) as stream:
        expected = facts(stream.run(in_order(samples)))
        for _ in stream.run(plan(samples)):
            break

        assert facts(stream.run(in_order(samples))) == expected

    assert children() == []


def test_no_process_is_left_where_the_loop_fails(samples: Samples) -> None:
    def failing_loop() -> None:
        with Stream(samples, EvalView(FRAMED), workers=2) as stream:
            for _ in stream.run(plan(samples)):
                raise ArithmeticError("the loss is not finite")

    with pytest.raises(ArithmeticError) as caught:
        failing_loop()

    assert caught.traceback  # It holds the loop's frames, and with them the run.
    assert children() == []


def test_closing_twice_is_right(samples: Samples) -> None:
    stream = Stream(samples, EvalView(FRAMED), workers=1)
    running = stream.run(in_order(samples))
    next(running)

    stream.close()
    stream.close()

    assert children() == []


def test_processes_leave_interrupts_to_the_trainer(samples: Samples) -> None:
    with Stream(samples, EvalView(FRAMED), workers=2) as stream:
        running = stream.run(plan(samples))
        made = [next(running)]
        for child in children():
            child.send_signal(signal.SIGINT)
        made += running

    assert len(made) == len(list(plan(samples)))


def test_the_trainers_own_handler_does_not_keep_a_process_from_ending(samples: Samples) -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with Stream(samples, EvalView(FRAMED), workers=1) as stream:
            running = stream.run(plan(samples))
            next(running)
            (child,) = multiprocessing.active_children()
            child.terminate()
            child.join(timeout=10)
            assert child.exitcode == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_killed_process_is_an_error_where_a_batch_is_due_not_a_hang(samples: Samples) -> None:
    def run() -> None:
        with Stream(samples, EvalView(FRAMED), workers=2) as stream:
            for _ in stream.run(plan(samples, epochs=500)):
                for child in children():
                    child.kill()

    with pytest.raises(LoaderDied) as caught:
        run()

    assert str(caught.value) == (
        "a loader process ended before its work did (killed by SIGKILL); "
        "if memory ran out, state fewer as data.workers"
    )
    assert children() == []


def test_a_fault_of_our_own_in_a_process_is_in_the_log(
    samples: Samples, capfd: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        beyond = np.array([len(samples) + 7])
        with Stream(samples, EvalView(FRAMED), workers=1) as stream:
            list(stream.run([Task(1, beyond)]))

    with pytest.raises(LoaderDied) as caught:
        run()

    assert str(caught.value) == (
        "a loader process ended before its work did (exit code 1); see the log"
    )
    assert "IndexError" in capfd.readouterr().err


def test_processes_end_where_the_trainer_is_killed(samples: Samples) -> None:
    def trainer(report: Connection) -> None:
        with (
            Stream(samples, EvalView(FRAMED), workers=2) as one,
            Stream(samples, EvalView(FRAMED), workers=1) as other,
        ):
            runs = [one.run(plan(samples)), other.run(plan(samples))]
            report.send([child.pid for child in children()])
            signal.pause()
            del runs

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=trainer, args=(theirs,))
    process.start()
    loaders = [psutil.Process(pid) for pid in ours.recv()]
    assert len(loaders) == 3

    process.kill()
    process.join()

    _, alive = psutil.wait_procs(loaders, timeout=10)
    assert alive == []


def test_batches_leave_no_descriptors_behind(samples: Samples) -> None:
    me = psutil.Process()
    before = me.num_fds()
    with Stream(samples, EvalView(FRAMED), workers=2) as stream:
        kept = list(stream.run(plan(samples, epochs=20)))
        assert me.num_fds() <= before + 6

    assert me.num_fds() <= before + 2
    assert len({batch.images.data_ptr() for batch in kept}) == len(kept)


def test_a_batch_belongs_to_its_user(samples: Samples) -> None:
    with Stream(samples, EvalView(FRAMED), workers=1) as stream:
        made = list(stream.run(in_order(samples)))
    made[0].images.zero_()

    with Stream(samples, EvalView(FRAMED), workers=0) as stream:
        expected = list(stream.run(in_order(samples)))

    assert not made[0].images.any()
    assert torch.equal(made[1].images, expected[1].images)


def test_a_run_that_nobody_asked_for_batches_leaves_nothing_behind(samples: Samples) -> None:
    with Stream(samples, EvalView(FRAMED), workers=2) as stream:
        expected = facts(stream.run(in_order(samples)))
        stream.run(plan(samples))
        assert facts(stream.run(in_order(samples))) == expected
        stream.run(plan(samples))

    assert children() == []


def test_a_run_that_was_given_up_neither_disturbs_the_next_nor_ends_in_silence(
    samples: Samples,
) -> None:
    with Stream(samples, EvalView(FRAMED), workers=2) as stream:
        expected = facts(stream.run(in_order(samples)))
        given_up, unfinished = stream.run(plan(samples)), stream.run(plan(samples))
        next(unfinished)
        running = stream.run(in_order(samples))
        unfinished.close()

        with pytest.raises(RuntimeError, match=r"^this run was given up when another began$"):
            next(given_up)

        assert facts(running) == expected


# --- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", WORKERS)
def test_a_bad_image_is_named_when_its_batch_is_due(tmp_path: Path, workers: int) -> None:
    root = make_photo_folder(tmp_path / "photos", per_class=6)
    bad = root / "train" / "squares" / "003.jpg"
    bad.write_bytes(bad.read_bytes()[:900])
    broken = sources.load(Data(folder=Folder(path=str(root)))).train
    seen = []

    with (
        pytest.raises(BadImage) as caught,
        Stream(broken, EvalView(FRAMED), workers) as stream,
    ):
        seen.extend(batch.indices.tolist() for batch in stream.run(in_order(broken)))

    assert caught.value.path == bad
    assert str(caught.value).startswith(f"{bad} is damaged: image file is truncated")
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert children() == []


@pytest.mark.parametrize("workers", [0, 1])
def test_images_of_two_sizes_are_named_not_mixed(tmp_path: Path, workers: int) -> None:
    root = make_photo_folder(tmp_path / "photos", per_class=2)
    photo(0, (40, 36), seed="odd").save(root / "train" / "circles" / "001.jpg")
    odd = sources.load(Data(folder=Folder(path=str(root)))).train

    with (
        pytest.raises(BadImage) as caught,
        Stream(odd, EvalView(Preprocess(mean=[0.5], std=[0.5])), workers) as stream,
    ):
        list(stream.run(in_order(odd)))

    assert str(caught.value) == (
        "train/circles/001.jpg is 40 x 36, others of its batch 48 x 36; say data.preprocess.crop"
    )
