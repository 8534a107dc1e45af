"""docs/errors.md leaves out no error that anybody can meet."""

import pytest

from tests.house import failures, remedies

ALL = {
    name: advice
    for part in (*remedies.REASONS.values(), remedies.OUTCOMES, remedies.CLIENT, remedies.DAEMON)
    for name, advice in part.items()
}


def test_every_reason_of_the_api_is_explained() -> None:
    explained = [reason for part in remedies.REASONS.values() for reason in part]

    assert sorted(explained) == sorted(failures.reasons())


def test_every_reason_of_an_outcome_is_explained() -> None:
    assert sorted(remedies.OUTCOMES) == sorted(failures.outcomes())


def test_every_exception_of_the_client_is_explained() -> None:
    by_reason = {failures.raised_by(reason).__name__ for reason in failures.reasons()}

    assert {cls.__name__ for cls in failures.exceptions()} == by_reason | set(remedies.CLIENT)


def test_every_error_that_no_client_sees_is_explained() -> None:
    assert sorted(remedies.DAEMON) == sorted(failures.unsent())


def test_the_page_says_of_each_how_programs_tell_it() -> None:
    page = failures.page()

    assert "| **`JOB_NOT_FOUND`**<br>raises `JobNotFound`<br>gRPC `NOT_FOUND`<br>exit 2 | " in page
    assert "| **`bad_recipe`**<br>FAILED<br>exit 2 | " in page
    assert "| **`NotEnded`**<br>exit 1 | " in page
    assert "\n| 3 | no daemon answers; `ftd serve` starts one |\n" in page


@pytest.mark.parametrize("name", ALL)
def test_cause_and_remedy_are_whole_sentences(name: str) -> None:
    for text in (ALL[name].cause, ALL[name].remedy):
        assert text[0] in "`[" or text[0].isupper()
        assert text.endswith(".")
        assert "|" not in text
