"""What every registry of models promises."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from fleetpulse.errors import ModelError
from model.registry import ModelCard, ModelRegistry, Source

CONTENT = b"a model's file"


def a_card(
    version: str = "2026-11-22.aaaa", content: bytes = CONTENT, *, name: str = "heat"
) -> ModelCard:
    """The card of a model whose file has this content."""
    return ModelCard(
        name=name,
        version=version,
        made_at="2026-11-22T08:00:00+00:00",
        file=f"{name}.skops",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        horizon_s=120.0,
        threshold=0.6,
        features=["temperature_c"],
        libraries={"scikit-learn": "1.9.1"},
        sources=[Source(name="s", citation="c", licence="l", machines=1, rows=2)],
        metrics={},
        parameters={},
        question="Will it be hot?",
        limits="Not for toasters.",
    )


class RegistryContract:
    """Subclass once per backend with a `registry` fixture, empty; add no tests there."""

    def test_what_is_published_is_listed_and_not_yet_in_use(self, registry: ModelRegistry) -> None:
        registry.publish(a_card(), CONTENT)

        assert registry.cards() == [a_card()]
        assert registry.current() == {}
        assert registry.promotion().number == 0

    def test_what_is_promoted_is_in_use_and_read_back(self, registry: ModelRegistry) -> None:
        registry.publish(a_card(), CONTENT)

        promotion = registry.promote({"heat": a_card().version})

        assert registry.promotion() == promotion
        assert registry.current() == {"heat": a_card()}
        assert registry.read(a_card()) == CONTENT
        registry.check(promotion)

    def test_each_promotion_has_a_higher_number_going_back_too(
        self, registry: ModelRegistry
    ) -> None:
        old, new = a_card("1"), a_card("2", b"another")
        registry.publish(old, CONTENT)
        registry.publish(new, b"another")

        numbers = [registry.promote({"heat": version}).number for version in ("1", "2", "1")]

        assert numbers == [1, 2, 3]
        assert registry.current() == {"heat": old}
        assert registry.cards() == [old, new]

    def test_a_promotion_knows_what_was_in_use_before(self, registry: ModelRegistry) -> None:
        for version, content in (("1", CONTENT), ("2", b"another")):
            registry.publish(a_card(version, content), content)

        before = [registry.promote({"heat": version}).before for version in ("1", "2", "2", "1")]

        assert before == [{}, {"heat": "1"}, {"heat": "1"}, {"heat": "2"}]

    def test_a_rule_that_is_not_promoted_stays_as_it_is(self, registry: ModelRegistry) -> None:
        for name in ("heat", "overload"):
            registry.publish(a_card(name=name), CONTENT)
            registry.promote({name: a_card().version})

        assert set(registry.current()) == {"heat", "overload"}

    def test_the_same_model_may_be_published_again(self, registry: ModelRegistry) -> None:
        registry.publish(a_card(), CONTENT)
        registry.publish(a_card(), CONTENT)

        assert registry.cards() == [a_card()]

    def test_what_is_published_never_changes(self, registry: ModelRegistry) -> None:
        registry.publish(a_card(), CONTENT)

        with pytest.raises(ModelError, match="exists with other content"):
            registry.publish(a_card(content=b"another"), b"another")

        assert registry.read(a_card()) == CONTENT

    def test_a_card_of_another_file_is_not_published(self, registry: ModelRegistry) -> None:
        with pytest.raises(ModelError, match="describes another file"):
            registry.publish(a_card(), b"another")

        assert registry.cards() == []

    @pytest.mark.parametrize("name", ["../heat", "a/b", "", ".hidden", "é"])
    def test_a_name_never_leads_outside(self, registry: ModelRegistry, name: str) -> None:
        for card in (
            a_card(name=name),
            msgspec.structs.replace(a_card(), version=name),
            msgspec.structs.replace(a_card(), file=name),
        ):
            with pytest.raises(ModelError):
                registry.publish(card, CONTENT)
        with pytest.raises(ModelError):
            registry.promote({name: name})

    def test_what_was_never_published_is_not_promoted(self, registry: ModelRegistry) -> None:
        with pytest.raises(ModelError, match="There is no version 7 of heat"):
            registry.promote({"heat": "7"})

        assert registry.promotion().number == 0

    def test_a_candidate_is_in_the_shadow_and_not_in_use(self, registry: ModelRegistry) -> None:
        candidate = a_card("2026-11-23.bbbb")
        for card in (a_card(), candidate):
            registry.publish(card, CONTENT)
        used = registry.promote({"heat": a_card().version})

        promotion = registry.shadow({"heat": candidate.version})

        assert promotion.number == used.number + 1
        assert registry.promotion() == promotion
        assert registry.current() == {"heat": a_card()}
        assert registry.shadowing() == {"heat": candidate}
        assert registry.shadow({}).shadow == {}

    def test_a_candidate_that_is_promoted_leaves_the_shadow(self, registry: ModelRegistry) -> None:
        candidate = a_card("2026-11-23.bbbb")
        for card in (a_card(), candidate):
            registry.publish(card, CONTENT)
        registry.promote({"heat": a_card().version})
        registry.shadow({"heat": candidate.version})

        registry.promote({"heat": candidate.version})

        assert registry.shadowing() == {}
        assert registry.current() == {"heat": candidate}

    def test_nothing_is_shadowed_where_nothing_is_in_use(self, registry: ModelRegistry) -> None:
        registry.publish(a_card(), CONTENT)

        with pytest.raises(ModelError, match="promote models first"):
            registry.shadow({"heat": a_card().version})
