"""What a job file may say, and what it is told where it says something else."""

import io
import json

import pytest

import ftctl
from ftctl.request import JobRequest
from tests.house.words import paths_of_data, vocabulary
from tests.jobfiles import GOOD, faults, recipe


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "job.yaml"
        path.write_text(text)
        return path

    return write


def test_a_job_file_is_split_into_the_daemons_part_and_the_recipe(write):
    request = ftctl.JobFile.read(write(GOOD)).request

    assert (request.name, request.devices, request.priority) == ("ants-bees-frozen", 1, 10)
    assert (request.after, request.labels) == (("pretrain",), {"team": "vision"})
    assert list(json.loads(request.recipe_json)) == ["data", "model", "train", "outputs"]


def test_a_job_file_may_leave_the_daemons_part_out():
    request = ftctl.JobFile.parse("model: {cnn: {}}\nname:\n").request

    assert (request.name, request.devices, request.priority) == ("", None, 0)
    assert request.after == ()


def test_one_job_to_wait_for_needs_no_list():
    assert ftctl.JobFile.parse("after: pretrain").request.after == ("pretrain",)


def test_relative_paths_are_relative_to_the_job_file(write, tmp_path):
    file = ftctl.JobFile.read(write(GOOD))

    assert recipe(file)["data"]["folder"]["path"] == f"{tmp_path}/photos"
    assert recipe(file)["model"]["weights"] == f"file:{tmp_path}/weights/net.pth"


@pytest.mark.parametrize(
    ("source", "field"),
    [("manifest", "path"), ("manifest", "root"), ("torchvision", "path"), ("cub200", "path")],
)
def test_paths_of_tables_and_published_sets_are_made_absolute(write, tmp_path, source, field):
    file = ftctl.JobFile.read(write(f"data: {{{source}: {{{field}: photos}}}}"))

    assert recipe(file)["data"][source][field] == f"{tmp_path}/photos"


def test_of_all_words_of_the_schema_those_that_hold_paths_are_made_absolute(tmp_path):
    changed = set()
    for word in vocabulary():
        *above, last = word.split(".")
        job = value = {}
        for part in above:
            value[part] = value = {}
        value[last] = "file:photos"
        told = recipe(ftctl.JobFile.parse(json.dumps(job), folder=tmp_path))
        for part in above:
            told = told[part]
        if told[last] == f"file:{tmp_path}/photos":
            changed.add(word)

    assert changed == {*paths_of_data(), "model.weights"}


def test_a_path_that_is_typed_is_relative_to_where_one_stands(write, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    file = ftctl.JobFile.read(write(GOOD), overrides={"data.folder.path": "photos"})

    assert recipe(file)["data"]["folder"]["path"] == f"{tmp_path}/elsewhere/photos"
    assert recipe(file)["model"]["weights"] == f"file:{tmp_path}/weights/net.pth"


def test_a_path_loses_its_detours_but_not_its_links(write, tmp_path):
    (tmp_path / "linked").symlink_to(tmp_path)
    text = "data: {folder: {path: ../photos/.}}\nmodel: {weights: 'file:linked/./w/../net.pth'}"

    file = ftctl.JobFile.read(write(text))

    assert recipe(file)["data"]["folder"]["path"] == f"{tmp_path.parent}/photos"
    assert recipe(file)["model"]["weights"] == f"file:{tmp_path}/linked/net.pth"


def test_the_home_of_nobody_is_a_path_as_any_other(write, tmp_path):
    file = ftctl.JobFile.read(write("data: {folder: {path: ~nobody-at-all/photos}}"))

    assert recipe(file)["data"]["folder"]["path"] == f"{tmp_path}/~nobody-at-all/photos"


def test_absolute_paths_and_other_weights_stay_as_they_are(monkeypatch):
    monkeypatch.setenv("HOME", "/home/user")
    for weights in ("IMAGENET1K_V1", "none", "job:pretrain/best", "file:/w/net.pth"):
        text = f"data: {{folder: {{path: ~/photos}}}}\nmodel: {{weights: '{weights}'}}"
        file = ftctl.JobFile.parse(text)

        assert recipe(file)["model"]["weights"] == weights
        assert recipe(file)["data"]["folder"]["path"] == "/home/user/photos"


def test_a_recipe_of_the_wrong_shape_is_left_to_the_daemon():
    file = ftctl.JobFile.parse("data: {folder: photos}\nmodel: 3\n")

    assert recipe(file) == {"data": {"folder": "photos"}, "model": 3}


def test_standard_input_is_a_file_too(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"name: piped\nprioritty: 1")))

    file = ftctl.JobFile.read("-")

    assert file.request.name == "piped"
    assert [str(fault) for fault in file.faults] == [
        "<stdin>:2:1: prioritty: unknown key `prioritty`; did you mean `priority`?"
    ]


def test_a_mapping_is_a_job_too():
    assert ftctl.JobFile.of({"name": "x", "model": {"cnn": None}}).request.name == "x"
    [fault] = ftctl.JobFile.of({"nme": "x"}).faults
    assert str(fault) == "nme: unknown key `nme`; did you mean `name`?"
    with pytest.raises(ftctl.BadInput, match="the job is not plain data: "):
        ftctl.JobFile.of({"name": object()})


# --- first mistakes -------------------------------------------------------------------------


def test_yaml_that_does_not_parse_has_its_place(write):
    path = write("name: x\ntrain:\n  epochs: 3\n batch_size: 4\n")

    with pytest.raises(ftctl.BadJobFile) as caught:
        ftctl.JobFile.read(path)

    assert str(caught.value) == (
        f"{path}:4:2: does not fit what stands above; check the indentation"
    )


def test_a_key_given_twice_has_its_place(write):
    path = write("train:\n  epochs: 3\n  epochs: 4\nresources: {device: 1}\nname: 3\nname: x\n")

    assert [str(fault) for fault in ftctl.JobFile.read(path).faults] == [
        f"{path}:3:3: train.epochs: is given twice; first in line 2",
        f"{path}:4:13: resources.device: unknown key `device`; did you mean `devices`?",
        f"{path}:6:1: name: is given twice; first in line 5",
    ]


def test_an_unknown_key_is_answered_with_the_nearest():
    assert faults("trian: {epochs: 3}\nresources: {device: 2}\nzzz: 1\n") == [
        "job.yaml:1:1: trian: unknown key `trian`; did you mean `train`?",
        "job.yaml:2:13: resources.device: unknown key `device`; did you mean `devices`?",
        "job.yaml:3:1: zzz: unknown key `zzz`; known here: name, resources, priority, after, "
        "not_before, timeout, retries, preemptible, min_runtime, labels, recipe, data, model, "
        "train, outputs",
    ]


def test_wrong_types_are_told_all_at_once():
    text = (
        "name: 3\nresources: {devices: two}\npriority: 1.5\n"
        "after: [pretrain, 7]\nlabels: {team: vision, year: 2026, draft: true}\n"
    )

    assert faults(text) == [
        "job.yaml:1:1: name: must be a text, not 3; put it in quotes",
        'job.yaml:2:13: resources.devices: must be a whole number, not "two"',
        "job.yaml:3:1: priority: must be a whole number, not 1.5",
        "job.yaml:4:19: after[1]: must be a text, not 7; put it in quotes",
        "job.yaml:5:24: labels.year: must be a text, not 2026; put it in quotes",
        "job.yaml:5:36: labels.draft: must be a text, not true; put it in quotes",
    ]


def test_wrong_shapes_are_told_too():
    assert faults("resources: 1\nafter: 3\nlabels: [a]\nname: [x]\npriority: yes\n") == [
        "job.yaml:1:1: resources: must be keys and values, not 1",
        "job.yaml:2:1: after: must be a list of job names, not 3",
        'job.yaml:3:1: labels: must be keys and values, not ["a"]',
        'job.yaml:4:1: name: must be a text, not ["x"]',
        'job.yaml:5:1: priority: must be a whole number, not "yes"',
    ]


def test_what_is_sound_of_a_job_with_faults_is_kept():
    file = ftctl.JobFile.parse(
        "name: 3\npriority: 7\nafter: [pretrain, 8]\nlabels: {team: vision}\n"
        "resources: {devices: 2, memory: 3}\ntrain: {epochs: 0}\ntrain.epochs: 3\n"
    )

    assert len(file.faults) == 4
    assert file.request == JobRequest(
        priority=7, labels={"team": "vision"}, recipe_json='{"train":{"epochs":0}}'
    )


def test_a_bool_is_no_number_and_a_number_has_limits():
    assert faults("priority: true\nresources: {devices: 4294967296}\n") == [
        "job.yaml:1:1: priority: must be a whole number, not true",
        "job.yaml:2:13: resources.devices: 4294967296 is out of range",
    ]


def test_what_a_job_endures_is_read():
    file = ftctl.JobFile.parse("retries: 0\npreemptible: true\n")

    assert file.faults == ()
    assert (file.request.retries, file.request.preemptible) == (0, True)
    assert faults("retries: often\npreemptible: 3\nmin_runtime: soon\n") == [
        'job.yaml:1:1: retries: must be a whole number, not "often"',
        "job.yaml:2:1: preemptible: must be true or false, not 3",
        "job.yaml:3:1: min_runtime: must be a time span such as 2h30m, 90s or a number of "
        'seconds, not "soon"',
    ]


@pytest.mark.parametrize("key", ["sweep", "repeats", "evaluate", "queue"])
def test_what_is_not_built_is_refused_by_name(key):
    assert faults(f"{key}: 3") == [
        f"job.yaml:1:1: {key}: `{key}` is not built in this version; leave it out"
    ]


@pytest.mark.parametrize("key", ["cpus", "exclusive", "kind"])
def test_resources_that_are_not_built_are_refused_by_name(key):
    assert faults(f"resources: {{{key}: 3}}") == [
        f"job.yaml:1:13: resources.{key}: `{key}` is not built in this version; leave it out"
    ]


def test_a_file_over_one_mebibyte_is_refused_unread(tmp_path):
    path = tmp_path / "job.yaml"
    with path.open("wb") as file:
        file.truncate(2**20 + 1)

    with pytest.raises(ftctl.BadJobFile) as caught:
        ftctl.JobFile.read(path)

    assert str(caught.value) == (
        f"{path} has 1,048,577 bytes; a job file has at most 1 MiB. "
        "Data belongs in files that it names"
    )


def test_too_much_on_standard_input_is_refused(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"#" * (2**20 + 1))))

    with pytest.raises(ftctl.BadJobFile, match="<stdin> has more than 1 MiB; a job file has at"):
        ftctl.JobFile.read("-")


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(ftctl.BadJobFile, match=r"^there is no file nowhere\.yaml$"):
        ftctl.JobFile.read("nowhere.yaml")
    with pytest.raises(ftctl.BadJobFile, match="is a folder; name the job file in it"):
        ftctl.JobFile.read(tmp_path)


def test_a_file_that_is_no_text_says_so(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"PK\n\x80\x02")

    with pytest.raises(ftctl.BadJobFile, match=r"net\.pth:2: is not UTF-8 text; is it a job file"):
        ftctl.JobFile.read(tmp_path / "net.pth")


# --- --set ----------------------------------------------------------------------------------


def test_a_fault_of_what_only_the_recipe_says_is_placed_where_the_recipe_is_named():
    file = ftctl.JobFile.parse("name: a\nrecipe: tutorial\ntrain: {epochs: 3}\n", label="job.yaml")
    fields = ("model.weights", "train.trains[0]", "train.epochs", "data")

    told = file.located([ftctl.Fault(field=field, description="bad") for field in fields])

    # In the file's order; of a section that the file has, at that.
    assert [str(fault) for fault in told] == [
        "job.yaml:2:1: model.weights: bad",
        "job.yaml:2:1: data: bad",
        "job.yaml:3:1: train.trains[0]: bad",
        "job.yaml:3:9: train.epochs: bad",
    ]


def test_a_key_that_is_mistyped_is_none_of_the_recipe():
    text = "recipe: tutorial\nnam: a\n"

    (fault,) = ftctl.JobFile.parse(text, label="job.yaml").faults

    assert str(fault) == "job.yaml:2:1: nam: unknown key `nam`; did you mean `name`?"
