"""A mistyped command, option or value is answered with the nearest; argparse alone would list."""

import pytest

from ftctl import cli


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gett x", "ftctl: error: unknown command `gett`; did you mean `get`?"),
        ("zzz", "ftctl: error: unknown command `zzz`; `ftctl --help` lists what there is"),
        ("stop x", "ftctl: error: unknown command `stop`; did you mean `cancel`?"),
        ("show x", "ftctl: error: unknown command `show`; did you mean `get`?"),
        ("dataset delete x",
         "ftctl dataset: error: unknown command `delete`; did you mean `rm`?"),
        ("devices drian cpu",
         "ftctl devices: error: unknown command `drian`; did you mean `drain`?"),
        ("list --sate x", "ftctl list: error: unknown option `--sate`; did you mean `--state`?"),
        ("list --sate=x", "ftctl list: error: unknown option `--sate`; did you mean `--state`?"),
        ("list --STATE x", "ftctl list: error: unknown option `--STATE`; did you mean `--state`?"),
        ("list --zzz",
         "ftctl list: error: unknown option `--zzz`; `ftctl list --help` lists what there is"),
        ("--sokcet /x list", "ftctl: error: unknown option `--sokcet`; did you mean `--socket`?"),
        ("devices drain cpu --reson x",
         "ftctl devices drain: error: unknown option `--reson`; did you mean `--reason`?"),
        ("list --state runing",
         "ftctl list: error: argument --state: `runing` is unknown; did you mean `running`?"),
        ("get x -o zzz", "ftctl get: error: argument -o: `zzz` is unknown; known: json, yaml"),
        ("completion bsh",
         "ftctl completion: error: argument SHELL: `bsh` is unknown; did you mean `bash`?"),
        ("model a.yaml --depth 30",
         "ftctl model: error: argument --depth: should be 0 to 20, not 30"),
        ("get a b",
         "ftctl get: error: `b` is one argument too many; `ftctl get --help` says what fits"),
    ],
)  # fmt: skip
def test_what_was_mistyped_is_answered_with_the_nearest(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(line.split())

    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert caught.value.__cause__ is None


def test_an_option_may_still_be_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--vers"])

    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("ftctl ")
