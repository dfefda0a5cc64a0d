"""How the local Bot API is called, and how it says no."""

from __future__ import annotations

import pytest
from werkzeug.test import Client

from bot.simulator import LOCAL_TOKEN
from bot.simulator.chat import LocalChat
from bot.simulator.messages import MAX_PHOTO_BYTES
from bot.simulator.methods import METHODS
from tests.unit.bot.simulator.conftest import Api

PARAMETERS = (
    "text",
    "caption",
    "message_id",
    "offset",
    "limit",
    "allowed_updates",
    "reply_markup",
    "reply_parameters",
    "commands",
    "scope",
    "media",
    "photo",
    "action",
    "callback_query_id",
    "file_id",
    "entities",
    "language_code",
    "url",
    "parse_mode",
    "show_alert",
)
SEND = f"/bot{LOCAL_TOKEN}/sendMessage"


def test_an_answer_holds_ok_and_the_result(api: Api) -> None:
    answer = api.call("getMe").get_json()

    assert answer["ok"] is True
    assert answer["result"]["username"] == "fleetpulse_local_bot"
    assert answer["result"]["is_bot"] is True


def test_parameters_may_come_in_the_query_string(api: Api) -> None:
    answer = api.client.get(f"{SEND}?chat_id=1&text=from+the+query").get_json()

    assert answer["result"]["text"] == "from the query"


def test_parameters_may_come_as_a_form(api: Api) -> None:
    answer = api.client.post(SEND, data={"chat_id": "1", "text": "from a form"}).get_json()

    assert answer["result"]["text"] == "from a form"


def test_parameters_may_come_as_multipart(api: Api) -> None:
    form = {"chat_id": "1", "text": "in parts"}
    answer = api.client.post(SEND, data=form, content_type="multipart/form-data").get_json()

    assert answer["result"]["text"] == "in parts"


def test_parameters_may_come_as_json_with_objects_in_it(api: Api) -> None:
    keyboard = {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}

    sent = api.send("as JSON", reply_markup=keyboard)

    assert sent["reply_markup"] == keyboard


def test_parameters_may_come_as_json_written_into_a_form(api: Api) -> None:
    keyboard = '{"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}'
    form = {"chat_id": "1", "text": "x", "reply_markup": keyboard}

    sent = api.client.post(SEND, data=form).get_json()["result"]

    assert sent["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "go"


def test_a_broken_json_body_is_a_bad_request(api: Api) -> None:
    response = api.client.post(SEND, data="{", content_type="application/json")

    assert response.status_code == 400
    assert response.get_json()["description"] == "Bad Request: can't parse the JSON body"


def test_names_of_methods_may_be_written_in_any_case(api: Api) -> None:
    assert api.result("GETME") == api.result("getMe")


def test_an_unknown_method_is_not_found(api: Api) -> None:
    response = api.call("getRich")

    assert response.status_code == 404
    assert response.get_json() == {"ok": False, "error_code": 404, "description": "Not Found"}


@pytest.mark.parametrize("token", ["local", "local:1", ":local", "1:", "1:lo.cal", "0:local"])
def test_a_token_of_the_wrong_form_is_unauthorized(api: Api, token: str) -> None:
    response = api.client.get(f"/bot{token}/getMe")

    assert response.status_code == 401
    assert response.get_json()["description"] == "Unauthorized"


def test_any_token_of_the_right_form_is_the_local_bots(api: Api) -> None:
    assert api.client.get("/bot123456:ABC-def_1/getMe").get_json()["result"]["id"] == 2


@pytest.mark.parametrize("chat_id", [2, -100, "@channel", "abc", 10**40])
def test_there_is_no_other_chat(api: Api, chat_id: object) -> None:
    assert api.refusal("sendMessage", chat_id=chat_id, text="x") == "Bad Request: chat not found"


def test_a_call_without_a_chat_is_refused(api: Api) -> None:
    assert api.refusal("sendMessage", text="x") == "Bad Request: chat_id is empty"


def test_the_chat_is_a_private_one(api: Api) -> None:
    found = api.result("getChat", chat_id=1)

    assert (found["id"], found["type"], found["first_name"]) == (1, "private", "You")


def test_an_upload_past_the_limit_is_too_large(api: Api) -> None:
    response = api.client.post(
        f"/bot{LOCAL_TOKEN}/sendPhoto",
        data=bytes(MAX_PHOTO_BYTES + 2_000_000),
        content_type="multipart/form-data; boundary=x",
    )

    assert response.status_code == 413
    assert response.get_json()["error_code"] == 413


def test_a_webhook_is_refused_and_says_what_to_use(api: Api) -> None:
    assert api.refusal("setWebhook", url="https://example.org/hook") == (
        "Bad Request: bad webhook: the local server has none, use getUpdates"
    )
    assert api.result("setWebhook", url="") is True
    assert api.result("getWebhookInfo")["url"] == ""


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "["])
def test_a_foreign_host_is_refused(api: Api, host: str) -> None:
    response = api.client.get(f"/bot{LOCAL_TOKEN}/getMe", headers={"Host": host})

    assert response.status_code == 403
    assert response.get_json()["ok"] is False


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "localhost"])
def test_this_machines_names_are_served(api: Api, host: str) -> None:
    assert api.client.get(f"/bot{LOCAL_TOKEN}/getMe", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_may_not_call_the_bot_api(
    api: Api, chat: LocalChat, headers: dict[str, str]
) -> None:
    response = api.client.get(f"{SEND}?chat_id=1&text=spam", headers=headers)

    assert response.status_code == 403
    assert chat.messages() == []


@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_method_breaks_on_senseless_parameters(api: Api, method: str) -> None:
    values: list[object] = [10**30, [], {}, True, "\ud800", "[1]", "[[{]", '{"type": "chat"}']
    for value in values:
        response = api.call(method, chat_id=1, **dict.fromkeys(PARAMETERS, value))

        assert response.status_code in (200, 400), value


def test_the_mounted_chat_does_not_hide_the_bot_api(browser: Client) -> None:
    assert browser.get(f"/bot{LOCAL_TOKEN}/getMe").status_code == 200
