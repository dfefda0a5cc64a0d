"""The examples of docs/notify.md are ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from fleetpulse.actions.channels import channels_of
from fleetpulse.actions.webhook import Webhook
from fleetpulse.clock import ManualClock, SystemClock
from fleetpulse.secrets import Secret
from fleetpulse.settings import NotifySettings
from tests.unit.actions.builders import SECRET, FakeReceiver, a_post, network_to

PAGE = (Path(__file__).resolve().parents[3] / "docs/notify.md").read_text()
CHANNELS = re.findall(r"^ *([a-z]+=[a-z+]+://\S+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("word", CHANNELS, ids=lambda word: re.sub(r"://.*", "", word))
def test_every_channel_that_is_shown_could_be_set(word: str) -> None:
    assert len(channels_of(NotifySettings(channels=Secret(word)), ManualClock())) == 1


def test_the_code_for_receivers_believes_us_and_nobody_else() -> None:
    names: dict[str, Any] = {}
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, names)  # noqa: S102
    receiver = FakeReceiver()
    url = f"webhook+http://hooks.example/?secret={SECRET}"
    network, now = network_to(receiver, "8.8.8.8"), SystemClock().now_ms
    Webhook(url, network=network, now=now).send(a_post())

    document = names["checked"](receiver.body, receiver.head)

    assert document["type"] == "alert"
    with pytest.raises(WebhookVerificationError):
        names["checked"](receiver.body + b" ", receiver.head)
