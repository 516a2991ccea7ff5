"""How do people say what they think, so that nobody learns who said it?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.training.domain.catalogue import Key, Words
from services.training.domain.rules import Codes
from shared.errors import Invalid
from shared.numbers import rounded
from shared.statistics import wilson

LOW = 3
"""A scale whose mean is below this asks for training."""
LEAST = 5
"""Answers before anything is shown; and from one showing to the next, so that no single answer is the difference."""

Answer = int | str


class SurveyQuestion(BaseModel):
    """`scale`: 1 to 5, the best; `choice`: the index of one of `choices`; `text`: words. `competencies`: what should be
    trained where a scale comes out low."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    text: Words
    kind: Literal["scale", "choice", "text"] = "scale"
    choices: Annotated[tuple[Words, ...], Field(max_length=20)] = ()
    competencies: Codes = ()

    @model_validator(mode="after")
    def _choices_where_chosen(self) -> Self:
        if self.competencies and self.kind != "scale":
            raise ValueError("only a question of the kind scale names competencies")
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("a question has choices exactly if it is of the kind choice")
        return self

    def accepts(self, answer: Answer) -> bool:
        if self.kind == "text":
            return isinstance(answer, str) and 0 < len(answer) <= 2000 and "\0" not in answer
        if isinstance(answer, str):
            return False
        return 1 <= answer <= 5 if self.kind == "scale" else 0 <= answer < len(self.choices)


def check_answers(questions: Sequence[SurveyQuestion], answers: Mapping[str, Answer]) -> None:
    """Raise `Invalid` for answers to other questions, or of another kind; a question may be left out."""
    known = {question.key: question for question in questions}
    wrong = [key for key, answer in answers.items() if key not in known or not known[key].accepts(answer)]
    if wrong or not answers:
        raise Invalid("The answers to these questions do not fit: {keys}.", keys=", ".join(sorted(wrong)) or "-")


def results(questions: Sequence[SurveyQuestion], answers: Sequence[Mapping[str, Answer]]) -> list[dict[str, Any]]:
    """For each question how many answered, the mean of a scale, the count of each choice, the words in alphabetical
    order; of a question with fewer than five answers only that."""
    shown: list[dict[str, Any]] = []
    for question in questions:
        given = [answer[question.key] for answer in answers if question.key in answer]
        one: dict[str, Any] = {"key": question.key, "n": len(given), "mean": None, "counts": None, "texts": None}
        if len(given) < LEAST:
            one["n"] = None
        elif question.kind == "text":
            one["texts"] = sorted(map(str, given))
        else:
            one["counts"] = dict(sorted(Counter(map(str, given)).items()))
            if question.kind == "scale":
                one["mean"] = rounded(Decimal(sum(map(int, given))) / len(given))
        shown.append(one)
    return shown


def wanting(questions: Sequence[SurveyQuestion], answers: Sequence[Mapping[str, Answer]]) -> list[dict[str, Any]]:
    """The scales that came out low: how many answered, the mean, and the share of those who gave 1 or 2, with its
    interval. A question with fewer than five answers says nothing."""
    found: list[dict[str, Any]] = []
    for question in questions:
        given = [int(answer[question.key]) for answer in answers if question.key in answer]
        if question.kind != "scale" or len(given) < LEAST or sum(given) >= LOW * len(given):
            continue
        unhappy = sum(value < LOW for value in given)
        rate = wilson(unhappy, len(given))
        assert rate is not None
        found.append(
            {"question": question.key, "n": len(given), "mean": round(sum(given) / len(given), 2), "unhappy": unhappy,
             "rate": round(unhappy / len(given), 4), "low": float(rate.low), "high": float(rate.high)}
        )  # fmt: skip
    return found
