"""E-mail: how a message looks, and what each refusal of a mail server means."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from fleetpulse.actions.mail import Mail, html_of, message_of, refusal
from fleetpulse.actions.mail_address import mail_address
from fleetpulse.actions.waits import SLOWLY_S
from fleetpulse.delivery.messages import example_post, summary_post
from fleetpulse.errors import NotifyError
from tests.contracts.builders import NOON, an_event
from tests.unit.actions.builders import PNG, a_post

URL = "mailtos://ada:s3cret-word@mail.example?from=alerts@example.org&to=ada@example.org"


def message(**parts: Any) -> EmailMessage:
    """The mail of one event."""
    return message_of(a_post(**parts), mail_address(URL))


def test_the_subject_is_the_first_line_without_its_sign() -> None:
    assert message()["Subject"] == "pi-1 will soon be stressed"


def test_the_subjects_of_other_messages_say_what_they_are() -> None:
    address = mail_address(URL)

    summary = message_of(summary_post([an_event()], NOON), address)
    test = message_of(example_post("channel", NOON), address)

    assert summary["Subject"] == "While you were away: 1 event"
    assert test["Subject"] == "This channel works. A warning looks like this"


def test_it_is_from_us_and_asks_for_no_answer_of_a_machine() -> None:
    mail = message()

    assert mail["From"] == "fleetpulse <alerts@example.org>"
    assert mail["To"] == "ada@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(mail["Date"]).tzinfo is not None


def test_the_same_events_have_the_same_message_id() -> None:
    assert message()["Message-ID"] == message(photo=PNG)["Message-ID"]
    assert message()["Message-ID"].endswith("@example.org>")


def test_it_has_words_html_and_the_chart() -> None:
    mail = message(photo=PNG)

    text, html = mail.get_body(["plain"]), mail.get_body(["html"])
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert text is not None
    assert html is not None
    assert text.get_content().startswith("⚠️ pi-1 will soon be stressed\n")
    assert "<b>pi-1</b> will soon be stressed<br>" in html.get_content()
    assert picture.get_content() == PNG
    assert picture.get_filename() == "chart.png"
    assert f"cid:{str(picture['Content-ID']).strip('<>')}" in html.get_content()


def test_without_a_chart_there_is_no_hole_for_one() -> None:
    assert "<img" not in html_of(a_post())


def test_a_name_with_markup_stays_what_it_is() -> None:
    mail = message(event=an_event(causes=["<i>load</i> & heat"]))

    text, html = mail.get_body(["plain"]), mail.get_body(["html"])
    assert text is not None
    assert html is not None
    assert "<i>load</i> & heat" in text.get_content()
    assert "&lt;i&gt;load&lt;/i&gt; &amp; heat" in html.get_content()


def test_copies_are_told_and_blind_ones_are_not() -> None:
    address = mail_address(f"{URL}&cc=bob@example.org&bcc=eve@example.org&reply=help@example.org")

    mail = message_of(a_post(), address)

    assert (mail["Cc"], mail["Reply-To"]) == ("bob@example.org", "help@example.org")
    assert "eve@example.org" not in mail.as_string()
    assert address.everybody == ["ada@example.org", "bob@example.org", "eve@example.org"]


NOBODY = {"a@x.org": (550, b"no s3cret-word"), "b@x.org": (551, b"no")}
SOME_LATER = NOBODY | {"c@x.org": (450, b"later")}


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (smtplib.SMTPRecipientsRefused(NOBODY), "every reader (code 550, 551)"),
        (smtplib.SMTPDataError(554, b"spam: s3cret-word"), "the message (code 554)"),
        (smtplib.SMTPSenderRefused(552, b"too large", "a@x.org"), "the message (code 552)"),
    ],
)
def test_a_message_that_is_refused_for_good_is_given_up_alone(
    problem: smtplib.SMTPException, said: str
) -> None:
    refused = refusal(problem)

    assert said in str(refused)
    assert refused.permanent
    assert refused.only_message


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (smtplib.SMTPAuthenticationError(535, b"s3cret-word"), "user and password (code 535)"),
        (smtplib.SMTPSenderRefused(530, b"log in first", "a@x.org"), "the sender (code 530)"),
    ],
)
def test_what_only_a_person_can_mend_is_tried_slowly_for_ever(
    problem: smtplib.SMTPException, said: str
) -> None:
    refused = refusal(problem)

    assert said in str(refused)
    assert not refused.permanent
    assert refused.retry_after_s == SLOWLY_S


@pytest.mark.parametrize(
    "problem",
    [
        smtplib.SMTPRecipientsRefused(SOME_LATER),
        smtplib.SMTPDataError(451, b"later"),
        smtplib.SMTPAuthenticationError(454, b"later"),
        smtplib.SMTPSenderRefused(451, b"later", "a@x.org"),
        smtplib.SMTPConnectError(421, b"busy"),
        smtplib.SMTPServerDisconnected("gone"),
    ],
)
def test_what_passes_is_tried_again(problem: smtplib.SMTPException) -> None:
    refused = refusal(problem)

    assert not refused.permanent
    assert refused.retry_after_s is None


def test_no_refusal_repeats_the_words_of_the_server() -> None:
    said = [
        str(refusal(problem))
        for problem in (
            smtplib.SMTPRecipientsRefused(NOBODY),
            smtplib.SMTPAuthenticationError(535, b"s3cret-word"),
        )
    ]

    assert "s3cret-word" not in " ".join(said)


class Server:
    """A mail server as smtplib shows it."""

    def __init__(self, *, offers: str = "starttls auth", broken: Exception | None = None) -> None:
        self.offers, self.broken = offers.split(), broken
        self.steps: list[str] = []

    def __call__(self, _host: str, _port: int, **_how: object) -> Server:
        if self.broken is not None:
            raise self.broken
        return self

    def starttls(self, *, context: ssl.SSLContext) -> None:
        self._take("starttls")
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED

    def login(self, _user: str, _password: str) -> None:
        self._take("auth")

    def _take(self, step: str) -> None:
        if step not in self.offers:
            raise smtplib.SMTPNotSupportedError(step)
        self.steps.append(step)

    def send_message(
        self, _message: EmailMessage, _sender: str, readers: list[str]
    ) -> dict[str, tuple[int, bytes]]:
        self.steps.append("message")
        return {reader: (550, b"no") for reader in readers if "nobody" in reader}

    def quit(self) -> None:
        raise smtplib.SMTPServerDisconnected("gone already")

    def close(self) -> None:
        self.steps.append("close")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Server]:
    """Makes the mail server that there is."""

    def made(**how: Any) -> Server:
        server = Server(**how)
        monkeypatch.setattr(smtplib, "SMTP", server)
        return server

    return made


def test_the_connection_is_encrypted_before_anything_is_said(serve: Callable[..., Server]) -> None:
    server = serve()

    message_id = Mail(mail_address(URL)).send(a_post())

    assert server.steps == ["starttls", "auth", "message", "close"]
    assert message_id == message()["Message-ID"]


@pytest.mark.parametrize(
    ("offers", "steps", "said"), [("auth", [], "STARTTLS"), ("starttls", ["starttls"], "password")]
)
def test_nothing_is_sent_without_tls_and_login(
    serve: Callable[..., Server], offers: str, steps: list[str], said: str
) -> None:
    server = serve(offers=offers)

    with pytest.raises(NotifyError, match=said) as refused:
        Mail(mail_address(URL)).send(a_post())

    assert server.steps == [*steps, "close"]
    assert refused.value.retry_after_s == SLOWLY_S


@pytest.mark.parametrize(
    ("broken", "said", "wait_s"),
    [
        (ConnectionRefusedError(), "does not answer", None),
        (TimeoutError(), "does not answer", None),
        (ssl.SSLEOFError(), "TLS", None),
        (ssl.SSLCertVerificationError(), "certificate", SLOWLY_S),
    ],
)
def test_a_server_that_cannot_be_reached_is_tried_again(
    serve: Callable[..., Server], broken: Exception, said: str, wait_s: float | None
) -> None:
    serve(broken=broken)

    with pytest.raises(NotifyError, match=said) as refused:
        Mail(mail_address(URL)).send(a_post())

    assert not refused.value.permanent
    assert refused.value.retry_after_s == wait_s


def test_one_reader_of_several_who_is_refused_is_told_in_the_log(
    serve: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    serve()

    Mail(mail_address(f"{URL},nobody@example.org")).send(a_post())

    assert caplog.messages == ["readers refused"]
