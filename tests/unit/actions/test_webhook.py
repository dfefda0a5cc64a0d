"""Webhooks: what is sent, how it is signed, and what each answer means."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from standardwebhooks import Webhook as Reference

from fleetpulse.actions.waits import SLOWLY_S
from fleetpulse.actions.webhook import Webhook, body_of, id_of, taken_apart
from fleetpulse.alerts import AlertEvent, State
from fleetpulse.delivery.messages import Telling, example_post, group_post, summary_post
from fleetpulse.errors import NotifyError, SettingsError
from tests.contracts.builders import NOON, SECOND, an_event
from tests.unit.actions.builders import SECRET, FakeReceiver, a_post, network_to

URL = f"webhook+https://hooks.example/in?team=ops&secret={SECRET}"


def webhook(receiver: FakeReceiver, *addresses: str) -> Webhook:
    """A webhook to that receiver. No TLS: the receiver is none of a network."""
    url = URL.replace("https", "http")
    network = network_to(receiver, *(addresses or ("8.8.8.8",)))
    return Webhook(url, network=network, now=lambda: NOON)


def signed_by_hand(secret: str, message_id: str, at_s: str, body: bytes) -> str:
    """The signature as the specification says it, and nobody's library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = message_id.encode() + b"." + at_s.encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def when(at_s: str) -> datetime:
    """A webhook's time, however long ago."""
    return datetime.fromtimestamp(int(at_s), UTC)


def test_the_check_by_hand_gives_the_published_example() -> None:
    signature = signed_by_hand(
        SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_that_of_the_specification() -> None:
    receiver = FakeReceiver()

    message_id = webhook(receiver).send(a_post())

    head = receiver.head
    assert head["webhook-id"] == message_id
    assert head["webhook-timestamp"] == str(NOON // 1000)
    assert head["webhook-signature"] == signed_by_hand(
        SECRET, message_id, head["webhook-timestamp"], receiver.body
    )


def test_a_receiver_with_the_reference_library_believes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Reference, "_Webhook__verify_timestamp", lambda _self, at: when(at))
    receiver = FakeReceiver()
    webhook(receiver).send(a_post())

    document = Reference(SECRET).verify(receiver.body, receiver.head)

    assert document["type"] == "alert"


def test_the_address_is_asked_without_the_secret() -> None:
    receiver = FakeReceiver()

    webhook(receiver).send(a_post())

    assert receiver.received.startswith(b"POST /in?team=ops HTTP/1.1\r\n")
    assert receiver.head["host"] == "hooks.example"
    assert SECRET.encode() not in receiver.received


def test_the_document_holds_plain_words_and_whole_events() -> None:
    event = an_event(device_id="pi-1", causes=["<b> & load"])

    document = json.loads(body_of(a_post(event=event)))

    assert document["type"] == "alert"
    assert document["text"].startswith("⚠️ pi-1 will soon be stressed\n")
    assert "<b> & load" in document["text"]
    assert msgspec.convert(document["events"], list[AlertEvent]) == [event]


def test_groups_summaries_and_tests_are_named() -> None:
    events = [an_event(), an_event(device_id="pi-2")]
    posts = (group_post(events), summary_post(events, NOON), example_post("channel", NOON))

    types = [json.loads(body_of(post))["type"] for post in posts]

    assert types == ["group", "summary", "test"]


def test_a_message_that_is_sent_again_has_the_same_id_whenever_that_is() -> None:
    late, event = NOON + 300 * SECOND, an_event()

    assert id_of(a_post(event=event)) == id_of(a_post(event=event))
    assert id_of(summary_post([event], NOON)) == id_of(summary_post([event], late))


def test_other_messages_have_other_ids() -> None:
    event, other = an_event(), an_event(State.STRESSED)
    posts = [
        a_post(event=event),
        a_post(event=other),
        summary_post([event], NOON),
        group_post([event, other]),
        example_post("channel", NOON),
        example_post("channel", NOON + 1),
    ]

    assert len({id_of(post) for post in posts}) == len(posts)


@pytest.mark.parametrize("answer", ["200 OK", "202 Accepted", "204 No Content"])
def test_every_answer_of_success_is_an_arrival(answer: str) -> None:
    assert webhook(FakeReceiver(answer)).send(a_post()).startswith("msg_")


@pytest.mark.parametrize(
    "answer", ["400 Bad", "401 No", "404 No", "408 Late", "500 Oops", "503 Busy"]
)
def test_a_failure_is_tried_again(answer: str) -> None:
    with pytest.raises(NotifyError, match=answer[:3]) as refused:
        webhook(FakeReceiver(answer)).send(a_post())

    assert not refused.value.permanent
    assert refused.value.retry_after_s is None


def test_a_receiver_that_asks_for_time_gets_it() -> None:
    with pytest.raises(NotifyError) as refused:
        webhook(FakeReceiver("429 Slow Down", "Retry-After: 42")).send(a_post())

    assert refused.value.retry_after_s == 42


def test_a_receiver_that_is_gone_is_gone_for_good() -> None:
    with pytest.raises(NotifyError) as refused:
        webhook(FakeReceiver("410 Gone")).send(a_post())

    assert refused.value.permanent
    assert not refused.value.only_message


def test_a_redirect_is_not_followed() -> None:
    receiver = FakeReceiver("302 Found", "Location: http://169.254.169.254/latest/meta-data/")

    with pytest.raises(NotifyError, match="302"):
        webhook(receiver).send(a_post())

    assert receiver.reached == ["8.8.8.8"]


def test_a_private_address_is_refused_and_tried_again_slowly() -> None:
    receiver = FakeReceiver()

    with pytest.raises(NotifyError, match="FLEETPULSE_NOTIFY_PRIVATE") as refused:
        webhook(receiver, "10.0.0.1").send(a_post())

    assert refused.value.retry_after_s == SLOWLY_S
    assert receiver.received == b""


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://10.0.0.1:3128")
    receiver = FakeReceiver()

    webhook(receiver).send(a_post())

    assert receiver.reached == ["8.8.8.8"]


def test_a_connection_that_breaks_is_tried_again() -> None:
    receiver = FakeReceiver()
    receiver.answer = ""

    with pytest.raises(NotifyError, match="the connection failed") as refused:
        webhook(receiver).send(a_post())

    assert not refused.value.permanent


def test_a_secret_may_be_escaped_or_not() -> None:
    key = base64.b64encode(bytes(range(251, 256)) * 6).decode()  # holds + and /

    plain = taken_apart(f"webhook+https://a.example?secret={key}")
    escaped = taken_apart(
        f"webhook+https://a.example/?secret={key.replace('+', '%2B').replace('/', '%2F')}"
    )

    assert "+" in key
    assert plain == escaped == ("https://a.example/", key)


@pytest.mark.parametrize(
    "url",
    [
        "webhook+https://hooks.example/in",
        "webhook+https://hooks.example/in?secret=",
        "webhook+https://hooks.example/in?secret=whsec_c2hvcnQ=",
        f"webhook+https://hooks.example/in?secret={'AAAA' * 10}!",
        f"webhook+https://hooks.example/in?secret={'A' * 100}",
        f"webhook+https:///in?secret={SECRET}",
        f"webhook+https://user:hidden1@hooks.example/in?secret={SECRET}",
        f"webhook+https://hooks.example:0/in?secret={SECRET}",
        f"webhook+https://hooks.example:http/in?secret={SECRET}",
        f"webhook+https://hooks.example/ä?secret={SECRET}",
        f"webhook+https://hooks.example/in?secret={SECRET}&secret={SECRET}",
    ],
)
def test_an_address_that_cannot_work_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        taken_apart(url)

    assert "hooks.example" not in str(refused.value)
    assert "hidden1" not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_what_is_told_again_because_it_lasts_has_an_id_of_its_own() -> None:
    first = a_post()
    again = replace(first, telling=Telling.REMINDER, told_before_at=NOON)
    later = replace(first, telling=Telling.REMINDER, told_before_at=NOON + 1)

    assert len({id_of(post) for post in (first, again, later)}) == 3
    assert id_of(again) == id_of(replace(again, text="It began 5 h ago."))
