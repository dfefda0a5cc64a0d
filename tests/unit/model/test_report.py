"""The training report is one page that is complete in itself."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from threadpoolctl import threadpool_limits

from generators.simulated import training_fleet
from model import train
from model.questions import ask
from model.registry import Source
from model.report import page
from model.sessions import from_fleet

VOID = {"meta", "link", "br", "img", "path", "use"}


@pytest.fixture(scope="module")
def made() -> Iterator[train.Made]:
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):
        patch.setattr(train, "FOLDS", 2)
        patch.setattr(train, "CHANCE_PARAMETERS", {"heat": {"max_iter": 8, "max_bins": 15}})
        patch.setattr(train, "SECONDS_PARAMETERS", {"max_iter": 4, "max_bins": 15})
        sessions = from_fleet(training_fleet(1, 10, 900))
        source = Source(name="<b>lab & co", citation="c", licence="l", machines=10, rows=9)
        part = train.Part(source=source, questions=ask(sessions, "heat"))
        yield train.make("heat", [part], precision=0.7)


class Seen(HTMLParser):
    """The tags and texts of a page, and where else it wants to look."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.elsewhere: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.elsewhere += [
            f"{tag} {name}={value}"
            for name, value in attrs
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#")
        ]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_it_has_the_three_pictures_and_the_cases_of_each_source(made: train.Made) -> None:
    seen = Seen(page(made.card, made.evidence))

    assert seen.tags.count("svg") > 3
    assert seen.tags.count("svg") == seen.tags.count("figure")
    for words in ("static limit", "linear extrapolation", "calibration error", "Worst misses"):
        assert words in seen.words
    assert "right 70 times in 100" in seen.words


def test_it_needs_nothing_from_elsewhere(made: train.Made) -> None:
    seen = Seen(page(made.card, made.evidence))

    assert seen.elsewhere == []
    assert "script" not in seen.tags


def test_names_are_shown_as_they_are(made: train.Made) -> None:
    text = page(made.card, made.evidence)

    assert "<b>lab" not in text
    assert "&lt;b&gt;lab &amp; co" in text


def test_the_same_model_has_the_same_report(made: train.Made) -> None:
    assert page(made.card, made.evidence) == page(made.card, made.evidence)
