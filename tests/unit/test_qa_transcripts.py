"""Are phrases found where they were said, in Chinese and English, and is speech measured as a watch would?"""

import pytest

from services.qa.domain.transcripts import Turn, find, silence, speech_rate, spoken, talk_share


def turn(speaker: str, begin: float, end: float, text: str = "…") -> Turn:
    return Turn.model_validate({"speaker": speaker, "begin_seconds": begin, "end_seconds": end, "text": text})


@pytest.mark.parametrize(
    ("said", "phrase", "hit"),
    [
        # Words: between other letters they are not what was said.
        ("You idiot!", "idiot", True),
        ("That is idiotic.", "idiot", False),
        ("He has a sidiot", "idiot", False),
        ("SHUT   UP, please", "shut up", True),
        ("They were shut upstairs", "shut up", False),
        ("Then it was shut. Up there", "shut up", False),  # the end of a sentence
        ("Thank you, sir", "thank you sir", True),
        ("we can’t do that", "we can", False),  # a curly apostrophe: can't says the opposite of can
        ("the idiot's guide", "idiot", True),
        ("I don’t know", "I don't know", True),
        ("HELLO there", "hello", True),  # full width
        ("naïve façade", "façade", True),
        ("24 hours, 124 hours", "24 hours", True),
        ("124 hours", "24 hours", False),
        # Chinese: no spaces, and those that a recogniser puts in make no difference.
        ("您好,请问有什么可以帮您?", "您好", True),
        ("您 好 , 请 问", "您好请问", True),
        ("请您。好的", "您好", False),
        ("你这个白痴吗", "白痴", True),
        ("你这个白\n痴", "白痴", True),
        # Both together: the word's end counts, the character beside it does not.
        ("我的APP崩溃了", "app", True),
        ("我的APPLE坏了", "app", False),
        ("打开app 崩溃", "APP崩溃", True),
        ("按 A+B 键", "A+B", True),
    ],
)
def test_a_phrase_is_found_where_it_was_said(said: str, phrase: str, hit: bool) -> None:
    assert bool(find([turn("agent", 0, 5, said)], [phrase])) is hit


def test_longer_expressions_that_mean_something_else_are_told_apart() -> None:
    said = [turn("agent", 0, 10, "滚筒洗衣机不滚动,你滚")]
    assert [hit.at_seconds for hit in find(said, ["滚"])] == [0.0, 5.5, 9.1]
    assert [hit.at_seconds for hit in find(said, ["滚"], ["滚筒", "滚动"])] == [9.1]


def test_a_phrase_goes_on_from_one_turn_to_the_next_of_the_same_speaker() -> None:
    apart = [turn("agent", 4, 6, "shut"), turn("agent", 7, 8, "up now")]
    assert find(apart, ["shut up"]) == [("shut up", 4.0)]
    assert find([*apart, turn("customer", 6.5, 6.8, "what")], ["shut up"]) == []
    assert find(apart, ["shut up"], speaker="customer") == []
    assert find(apart, ["now", "shut"], speaker="agent") == [("shut", 4.0), ("now", 7.5)]


def test_silence_is_what_nobody_said_beside_the_hold() -> None:
    """100 s: 10 to 40 and 60 to 90 are spoken, with overlaps; 40 s are not, 15 of them on hold."""
    turns = [turn("agent", 10, 30), turn("customer", 25, 40), turn("agent", 60, 90), turn("customer", 70, 80)]
    assert spoken(turns) == 60
    assert silence(turns, 100, 0) == (0.4, 20, 40)
    assert silence(turns, 100, 15) == (25 / 85, 20, 40)
    assert silence(turns, 100, 100) is None
    assert silence(turns, 50, 0) == (30 / 90, 20, 40)  # it lasts as long as somebody speaks
    assert talk_share(turns) == 50 / 75
    assert talk_share([turn("agent", 3, 3)]) is None


def test_speech_rate_counts_characters_of_chinese_and_words_of_english() -> None:
    turns = [
        turn("agent", 0, 6, "您好,我是客服, 请问有什么可以帮您的APP?"),  # 16 characters and a word
        turn("agent", 10, 20, "I can't find it, one moment please"),  # 7 words
        turn("customer", 20, 21, "好好好好好好好好好好"),
        turn("agent", 30, 30, "没有时间"),
    ]
    assert speech_rate(turns, "zh") == (170, 0)
    assert speech_rate(turns, "en") == (42, 10)
    assert speech_rate(turns[:1], "en") is None
