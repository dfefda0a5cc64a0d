"""The services of Apprise: what they are given, and what a refusal becomes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from apprise import NotifyType
from apprise.plugins.custom_json import NotifyJSON

from fleetpulse.actions.service import Service, silence, type_of
from fleetpulse.alerts import State
from fleetpulse.delivery.messages import Post
from fleetpulse.errors import NotifyError, SettingsError
from tests.contracts.builders import an_event
from tests.unit.actions.builders import PNG, a_post

URL = "json://hidden.example/token-1234"


class Outbox:
    """What the service was given; `takes` says whether it takes one."""

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []
        self.takes_words, self.takes_pictures = True, True

    def send(self, service: NotifyJSON, **given: Any) -> bool:
        self.given.append(given)
        taken = self.takes_words and (self.takes_pictures or given["attach"] is None)
        if not taken:
            service.logger.warning("Failed to send to hidden.example, error=403.")
        return taken


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> Outbox:
    outbox = Outbox()
    monkeypatch.setattr(NotifyJSON, "send", lambda self, **given: outbox.send(self, **given))
    monkeypatch.setattr(NotifyJSON, "request_rate_per_sec", 0)
    return outbox


def test_the_first_line_is_the_title_and_the_rest_the_body(outbox: Outbox) -> None:
    Service(URL).send(a_post(event=an_event(causes=["<b> & load"])))

    (given,) = outbox.given
    assert given["title"] == "⚠️ pi-1 will soon be stressed"
    assert "Why: <b> & load." in given["body"]
    assert given["notify_type"] is NotifyType.WARNING


def test_a_single_line_is_the_body(outbox: Outbox) -> None:
    Service(URL).send(Post("pi-1 is online again"))

    (given,) = outbox.given
    assert (given["title"], given["body"]) == ("", "pi-1 is online again")


def test_the_chart_goes_with_it(outbox: Outbox) -> None:
    Service(URL).send(a_post(photo=PNG))

    (given,) = outbox.given
    (picture,) = given["attach"]
    assert picture.open().read() == PNG


def test_a_picture_that_is_refused_does_not_cost_the_words(outbox: Outbox) -> None:
    outbox.takes_pictures = False

    Service(URL).send(a_post(photo=PNG))

    assert [given["attach"] is None for given in outbox.given] == [False, True]


def test_a_refusal_is_tried_again_and_tells_the_status_but_no_address(outbox: Outbox) -> None:
    outbox.takes_words = False

    with pytest.raises(NotifyError, match=r"JSON did not take the message \(status 403\)") as said:
        Service(URL).send(a_post())

    assert not said.value.permanent
    assert "hidden" not in str(said.value)


def test_apprise_says_nothing_in_our_log(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    outbox.takes_words = False
    silence()

    with pytest.raises(NotifyError, match="403"):
        Service(URL).send(a_post())

    assert caplog.records == []


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (State.STRESSED, NotifyType.FAILURE),
        (State.RECOVERED, NotifyType.SUCCESS),
        (State.UNKNOWN, NotifyType.INFO),
    ],
)
def test_a_message_is_marked_as_its_newest_event_is(state: State, kind: NotifyType) -> None:
    post = replace(a_post(), events=(an_event(), an_event(state)))

    assert type_of(post) is kind
    assert type_of(Post("words")) is NotifyType.INFO


def test_a_long_text_is_cut_unless_the_address_says_otherwise(outbox: Outbox) -> None:
    cut, split = Service(URL), Service(f"{URL}?overflow=split")
    text = Post("x" * 40_000)

    cut.send(text)
    (one,) = outbox.given
    split.send(text)

    assert len(one["body"]) <= NotifyJSON.body_maxlen
    assert len(outbox.given) == 3


@pytest.mark.parametrize("url", ["nosuch://hidden", "https://hidden.example", "slack://hidden"])
def test_what_apprise_does_not_know_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Service(url)

    assert "hidden" not in str(refused.value)
