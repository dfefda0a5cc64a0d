"""Markup to text and entities, as Telegram documents it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bot.simulator.formatting import Formatted, finished
from bot.simulator.html_text import parse_html
from bot.simulator.markdown_text import parse_markdown
from bot.simulator.refusal import BadRequest


def an_entity(kind: str, offset: int, length: int, **more: str) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length} | more


def entities(formatted: Formatted) -> Any:
    return list(msgspec.to_builtins(finished(formatted).entities))


@pytest.mark.parametrize(
    ("markup", "kind"),
    [
        ("<b>x</b>", "bold"),
        ("<STRONG>x</STRONG>", "bold"),
        ("<i>x</i>", "italic"),
        ("<em>x</em>", "italic"),
        ("<u>x</u>", "underline"),
        ("<ins>x</ins>", "underline"),
        ("<s>x</s>", "strikethrough"),
        ("<del>x</del>", "strikethrough"),
        ("<code>x</code>", "code"),
        ("<pre>x</pre>", "pre"),
        ("<blockquote>x</blockquote>", "blockquote"),
        ("<blockquote expandable>x</blockquote>", "expandable_blockquote"),
        ("<tg-spoiler>x</tg-spoiler>", "spoiler"),
        ('<span class="tg-spoiler">x</span>', "spoiler"),
    ],
)
def test_html_tags_become_entities(markup: str, kind: str) -> None:
    assert entities(parse_html(markup)) == [an_entity(kind, 0, 1)]


def test_html_links_keep_their_address() -> None:
    found = parse_html('see <a href="http://127.0.0.1:8000/?a=1&amp;b=2">it</a>')

    assert found.text == "see it"
    assert entities(found) == [an_entity("text_link", 4, 2, url="http://127.0.0.1:8000/?a=1&b=2")]


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "nowhere"])
def test_html_links_that_telegram_would_not_open_are_plain_text(address: str) -> None:
    assert entities(parse_html(f'<a href="{address}">it</a>')) == []


def test_html_code_in_a_pre_names_its_language() -> None:
    found = parse_html('<pre><code class="language-python">x = 1</code></pre>')

    assert entities(found) == [an_entity("pre", 0, 5, language="python")]


def test_html_entities_nest_the_outer_first() -> None:
    found = parse_html("<b>a<i>b</i></b>")

    assert entities(found) == [an_entity("bold", 0, 2), an_entity("italic", 1, 1)]


def test_html_character_references_are_read_and_others_stand() -> None:
    found = parse_html("&lt;b&gt; &amp; &quot;&#176;&#xB0; &nbsp; &#0; a&b")

    assert found.text == '<b> & "°° &nbsp; &#0; a&b'


def test_offsets_count_utf16_code_units() -> None:
    assert entities(parse_html("🔥 <b>hot</b>")) == [an_entity("bold", 3, 3)]


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        ("a <script>x</script>", 'Unsupported start tag "script" at byte offset 2'),
        ("é <x>", 'Unsupported start tag "x" at byte offset 3'),
        ("5 < 6", 'Unsupported start tag "" at byte offset 2'),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<b>x", "Can't find end tag corresponding to start tag b"),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        (
            "<b>x</i>",
            'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"',
        ),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_broken_html_is_refused_with_the_place(markup: str, reason: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_html(markup)

    assert refused.value.description == f"Bad Request: can't parse entities: {reason}"


@pytest.mark.parametrize(
    ("markup", "text", "expected"),
    [
        ("*x*", "x", [an_entity("bold", 0, 1)]),
        ("_x_", "x", [an_entity("italic", 0, 1)]),
        ("__x__", "x", [an_entity("underline", 0, 1)]),
        ("~x~", "x", [an_entity("strikethrough", 0, 1)]),
        ("||x||", "x", [an_entity("spoiler", 0, 1)]),
        ("`a*b`", "a*b", [an_entity("code", 0, 3)]),
        ("```\na_b\n```", "a_b\n", [an_entity("pre", 0, 3)]),
        ("```python\nx = 1```", "x = 1", [an_entity("pre", 0, 5, language="python")]),
        ("[it](http://a.b/\\))", "it", [an_entity("text_link", 0, 2, url="http://a.b/)")]),
        (">a\n>b\nc", "a\nb\nc", [an_entity("blockquote", 0, 3)]),
        ("*a _b_*", "a b", [an_entity("bold", 0, 3), an_entity("italic", 2, 1)]),
        ("1\\.5 \\_ \\\\", "1.5 _ \\", []),
    ],
)
def test_markdown_becomes_entities(markup: str, text: str, expected: list[dict[str, Any]]) -> None:
    found = parse_markdown(markup)

    assert found.text == text
    assert entities(found) == expected


@pytest.mark.parametrize("character", "]()>#+-=|{}.!")
def test_markdown_wants_reserved_characters_escaped(character: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_markdown(f"a{character}")

    assert refused.value.description == (
        f"Bad Request: can't parse entities: Character '{character}' is reserved"
        " and must be escaped with the preceding '\\'"
    )


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        ("🏟 🏟_abacaba", "Can't find end of Italic entity at byte offset 9"),
        ("🏟 🏟_abac * asd ", "Can't find end of Bold entity at byte offset 15"),
        ("🏟 🏟`", "Can't find end of Code entity at byte offset 9"),
        ("🏟 🏟```a", "Can't find end of Pre entity at byte offset 9"),
        ("[x", "Can't find end of TextUrl entity at byte offset 0"),
    ],
)
def test_broken_markdown_is_refused_with_the_place(markup: str, reason: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_markdown(markup)

    assert refused.value.description == f"Bad Request: can't parse entities: {reason}"


def test_space_around_a_message_is_trimmed_and_entities_move_along() -> None:
    found = finished(parse_html("  <b> hot </b> "))

    assert found.text == "hot"
    assert entities(found) == [an_entity("bold", 0, 3)]


def test_links_and_commands_are_found_in_plain_text() -> None:
    found = Formatted("See http://127.0.0.1:8000/docs, /status@bot or a/b.")

    assert entities(found) == [
        an_entity("url", 4, 26),
        an_entity("bot_command", 32, 11),
    ]


def test_nothing_is_found_inside_code() -> None:
    assert entities(parse_html("<code>/start</code>")) == [an_entity("code", 0, 6)]
