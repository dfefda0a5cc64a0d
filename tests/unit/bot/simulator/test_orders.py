"""How long a trouble lasts, whom it finds, and how another process asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.simulator import LOCAL_CHAT_ID
from bot.simulator.app import create_bot_api
from bot.simulator.chat import LocalChat
from bot.simulator.limits import GROUP, OVERALL, PRIVATE, Limits
from bot.simulator.troubles import BadGateway, CallLost, TooManyRequests, Troubles
from fleetpulse.clock import ManualClock
from tests.unit.bot.simulator.conftest import Api

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def troubles(chat: LocalChat) -> Troubles:
    return Troubles(chat)


@pytest.fixture
def api(chat: LocalChat, troubles: Troubles) -> Api:
    return Api(create_bot_api(chat, troubles).test_client())


def statuses(api: Api, calls: int) -> list[int]:
    return [api.call("getMe").status_code for _ in range(calls)]


def put(api: Api, **orders: Any) -> Any:
    response = api.client.put("/troubles", json=orders)
    assert response.status_code == 200, response.text
    return response.get_json()


def test_a_trouble_is_met_as_often_as_it_is_told(api: Api, troubles: Troubles) -> None:
    troubles.add(BadGateway(times=2))

    assert statuses(api, 4) == [502, 502, 200, 200]


def test_a_trouble_lasts_as_long_as_it_is_told(
    api: Api, troubles: Troubles, clock: ManualClock
) -> None:
    troubles.add(BadGateway(lasts_s=60))

    clock.advance(59)
    during, left = statuses(api, 1), troubles.now().troubles
    clock.advance(1)

    assert (during, statuses(api, 1)) == ([502], [200])
    assert left == [BadGateway(lasts_s=1)]
    assert troubles.now().troubles == []


def test_a_trouble_lasts_until_it_is_ended(
    api: Api, troubles: Troubles, clock: ManualClock
) -> None:
    troubles.add(BadGateway())

    clock.advance(24 * 3600)
    during = statuses(api, 3)
    troubles.end()

    assert (during, statuses(api, 1)) == ([502] * 3, [200])


def test_a_retry_after_ends_with_the_troubles(api: Api, troubles: Troubles) -> None:
    troubles.add(TooManyRequests(retry_after_s=3600))
    refused = api.call("sendMessage", chat_id=LOCAL_CHAT_ID, text="x").get_json()

    troubles.end()

    assert refused["parameters"] == {"retry_after": 3600}
    assert api.send("x")["text"] == "x"


def test_of_several_troubles_the_first_is_met(api: Api, troubles: Troubles) -> None:
    troubles.add(BadGateway(code=500, times=1), BadGateway(code=503, times=1))

    assert statuses(api, 3) == [500, 503, 200]


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_share_of_the_calls_is_found_by_chance_and_by_the_same_ones_again(
    api: Api, share: float
) -> None:
    orders = {"troubles": [{"kind": "bad_gateway", "share": share}], "seed": 7}

    put(api, **orders)
    first = statuses(api, 400)
    put(api, **orders)
    again = statuses(api, 400)
    put(api, **orders | {"seed": 8})
    other = statuses(api, 400)

    assert first == again != other
    assert share * 0.5 < first.count(502) / 400 < share * 1.5


def test_another_process_says_what_is_to_go_wrong_and_reads_what_did(api: Api) -> None:
    said = put(
        api,
        troubles=[
            {"kind": "migrated", "chat_id": LOCAL_CHAT_ID, "to": -1_001, "times": 2},
            {"kind": "slow", "seconds": 2.5, "share": 0.5},
        ],
        limits=True,
    )
    api.call("sendMessage", chat_id=LOCAL_CHAT_ID, text="x")
    found = api.client.get("/troubles").get_json()
    ended = api.client.delete("/troubles").get_json()

    assert [trouble["kind"] for trouble in said["troubles"]] == ["migrated", "slow"]
    assert (said["limits"], said["calls"]) == (True, {})
    assert found["troubles"][0]["times"] == 1
    assert found["calls"] == {"sendMessage": {"migrated": 1}}
    assert (ended["troubles"], ended["limits"]) == ([], False)
    assert ended["calls"] == found["calls"]


def test_another_process_reads_the_calls_and_when_they_came(
    api: Api, clock: ManualClock, troubles: Troubles
) -> None:
    api.send("one")
    clock.advance(2)
    api.call("sendMessage", chat_id=99, text="two")
    troubles.add(CallLost())
    api.send_photo(b"", caption="three")

    (_, *calls) = api.client.get("/troubles/calls").get_json()["items"]
    newer = api.client.get("/troubles/calls?after=2").get_json()["items"]

    assert calls == [
        {
            "number": 2,
            "at": clock.now_ms(),
            "method": "sendMessage",
            "chat_id": None,
            "outcome": "refused",
            "is_answered": True,
            "message_id": None,
            "text": "",
        },
        *newer,
    ]
    assert (newer[0]["outcome"], newer[0]["is_answered"]) == ("call_lost", False)


def test_edits_are_recorded_with_their_message(api: Api, troubles: Troubles) -> None:
    message_id = api.send("one")["message_id"]

    edit = {"chat_id": LOCAL_CHAT_ID, "message_id": message_id, "text": "two"}
    api.result("editmessagetext", **edit)

    sent, edited = troubles.journal.records()
    assert (edited.method, edited.message_id, edited.text) == ("editMessageText", message_id, "two")
    assert (sent.is_sent, edited.is_sent) == (True, False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"troubles": [{"kind": "flood"}]}',
        b'{"troubles": [{"kind": "slow"}]}',
        b'{"troubles": [{"kind": "slow", "seconds": -1}]}',
        b'{"troubles": [{"kind": "bad_gateway", "code": 200}]}',
        b'{"troubles": [{"kind": "forbidden", "share": 0}]}',
        b'{"troubles": [{"kind": "forbidden", "chat": 1}]}',
        b'{"trouble": []}',
    ],
)
def test_what_is_no_trouble_is_refused_and_changes_nothing(api: Api, body: bytes) -> None:
    put(api, troubles=[{"kind": "bad_gateway"}])

    response = api.client.put("/troubles", data=body, headers=JSON)

    assert response.status_code == 400
    assert response.get_json()["description"].startswith("Bad Request: these are no troubles")
    assert statuses(api, 1) == [502]


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}], ids=repr
)
@pytest.mark.parametrize("verb", ["get", "put", "delete"])
def test_troubles_are_for_this_machine_alone(api: Api, headers: dict[str, str], verb: str) -> None:
    response = getattr(api.client, verb)("/troubles", headers=headers)

    assert response.status_code == 403


def test_the_real_limits_refuse_what_is_above_them_and_say_for_how_long(
    api: Api, troubles: Troubles, clock: ManualClock
) -> None:
    put(api, limits=True)
    for _ in range(PRIVATE.most):
        api.send("x")
    clock.advance(1)

    refused = api.call("sendMessage", chat_id=LOCAL_CHAT_ID, text="x").get_json()
    clock.advance(PRIVATE.within_s - 1)

    assert refused["parameters"] == {"retry_after": PRIVATE.within_s - 1}
    assert api.send("x")["text"] == "x"
    assert troubles.journal.counts() == {"sendMessage": {"ok": PRIVATE.most + 1, "flood": 1}}


def test_reading_is_not_limited(api: Api) -> None:
    put(api, limits=True)

    found = [api.call("getChat", chat_id=LOCAL_CHAT_ID).status_code for _ in range(100)]

    assert set(found) == {200}


def test_all_chats_together_have_a_limit_too() -> None:
    limits = Limits()

    waits = [limits.take(chat_id, 100) for chat_id in range(1, OVERALL.most + 2)]

    assert waits == [0] * OVERALL.most + [OVERALL.within_s * 1000]


Sends = st.lists(st.tuples(st.integers(0, 4_000), st.sampled_from([1, 2, 3, -4])), max_size=200)


@given(Sends)
def test_no_span_holds_more_than_its_limit_and_who_waits_is_taken(
    sends: list[tuple[int, int]],
) -> None:
    limits, now, taken = Limits(), 0, list[tuple[int, int]]()

    for pause_ms, chat_id in sends:
        now += pause_ms // 10
        wait_ms = limits.take(chat_id, now)
        if wait_ms > 0:
            assert limits.take(chat_id, now + wait_ms - 1) > 0
            now += wait_ms
            assert limits.take(chat_id, now) == 0
        taken.append((now, chat_id))

    for limit, chats in ((OVERALL, {1, 2, 3, -4}), (PRIVATE, {1}), (GROUP, {-4})):
        times = [at for at, chat_id in taken if chat_id in chats]
        for first, beyond in zip(times, times[limit.most :], strict=False):
            assert beyond - first >= limit.within_s * 1000
