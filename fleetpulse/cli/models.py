"""`fleetpulse models`: which models there are, and which of them consumers use."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from fleetpulse.alerts import PREDICTED_RULES
from fleetpulse.cli.tables import table
from fleetpulse.errors import ModelError, SettingsError
from fleetpulse.settings import ModelSettings, load
from model.registry import FolderRegistry, ModelCard, ModelRegistry, Promotion, open_registry

_COLUMNS = ("RULE", "VERSION", "MADE", "SIZE", "THRESHOLD", "SOURCES", "")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words say; the exit code."""
    options = _parser().parse_args(argv)
    try:
        settings = load(ModelSettings, models=options.models)
        if settings.models is None and options.act is not list_models:
            raise SettingsError(
                "the models that are shipped stay as they are: name a registry, such as --models"
                " dir:models, or set FLEETPULSE_MODELS."
            )
        with closing(
            open_registry(settings.models, aws=settings.aws, key=settings.model_key)
        ) as registry:
            options.act(registry, options)
    except SettingsError as problem:
        sys.stderr.write(f"fleetpulse models: {problem}\n")
        return 2
    except ModelError as problem:
        sys.stderr.write(f"fleetpulse models: {problem}\n")
        return 1
    return 0


def list_models(registry: ModelRegistry, _: argparse.Namespace) -> None:
    """Show every model, and which ones are in use."""
    promotion = registry.promotion()
    rows = [row_of(card, promotion) for card in registry.cards()]
    sys.stdout.write(table([_COLUMNS, *rows]))


def publish(registry: ModelRegistry, options: argparse.Namespace) -> None:
    """Add the models that `fleetpulse train` has written to a folder."""
    with closing(FolderRegistry(options.folder)) as made:
        cards = made.current()
        for card in cards.values():
            registry.publish(card, made.read(card))
            sys.stdout.write(f"{card.name} {card.version} is in {registry.place}.\n")
    if options.promote:
        _tell(registry.promote({rule: card.version for rule, card in cards.items()}), cards)


def promote(registry: ModelRegistry, options: argparse.Namespace) -> None:
    """Have consumers use these versions."""
    versions = dict(options.versions)
    before = registry.promotion()
    in_use = before.models if before.number else {}  # number 0: only what lies in the folder
    missing = [rule for rule in PREDICTED_RULES if rule not in {**in_use, **versions}]
    published = {(card.name, card.version) for card in registry.cards()}
    if missing and published.issuperset(versions.items()):
        raise ModelError(
            f"Consumers need a model of every rule, and nothing is promoted for"
            f" {' and '.join(missing)} in {registry.place}: promote one in the same command."
        )
    _tell(registry.promote(versions), versions)


def shadow(registry: ModelRegistry, options: argparse.Namespace) -> None:
    """Have consumers score with these versions too, and warn nobody by them."""
    versions = {} if options.stop else dict(options.versions)
    if not versions and not options.stop:
        raise ModelError("Name a candidate, such as heat=2026-11-22.68052fba, or --stop.")
    for rule, choice in registry.shadow(versions).shadow.items():
        sys.stdout.write(f"{rule} {choice.version} scores in the shadow.\n")
    if not versions:
        sys.stdout.write("Nothing scores in the shadow any more.\n")
    sys.stdout.write(
        "Consumers follow within 30 s; compare fleetpulse_consumer_shadow_outcomes_total in their"
        " metrics, or `fleetpulse backtest --candidate`.\n"
    )


def roll_back(registry: ModelRegistry, options: argparse.Namespace) -> None:
    """Have consumers use what they used before."""
    before = registry.promotion().before
    rules = options.rules or sorted(before)
    missing = [rule for rule in rules if rule not in before]
    if missing or not rules:
        raise ModelError(
            f"Nothing was in use before for {' and '.join(missing) or 'any rule'}: name a version"
            " with `fleetpulse models promote`."
        )
    _tell(registry.promote({rule: before[rule] for rule in rules}), rules)


def row_of(card: ModelCard, promotion: Promotion) -> tuple[str, ...]:
    """A model as a row of the list."""
    return (
        card.name,
        card.version,
        card.made_at[:16].replace("T", " "),
        f"{card.size_bytes / 1000:.0f} kB",
        f"{card.threshold:.2f}",
        ", ".join(source.name for source in card.sources),
        _role(card, promotion),
    )


def _role(card: ModelCard, promotion: Promotion) -> str:
    roles = (("in use", promotion.models), ("in the shadow", promotion.shadow))
    for words, choices in roles:
        if card.name in choices and choices[card.name].version == card.version:
            return words
    return "used before" if promotion.before.get(card.name) == card.version else ""


def _tell(promotion: Promotion, rules: Mapping[str, object] | Sequence[str]) -> None:
    for rule in rules:
        sys.stdout.write(f"{rule} {promotion.models[rule].version} is in use.\n")
    sys.stdout.write("Consumers take it within 30 s, without a restart.\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fleetpulse models", description=__doc__)
    parser.add_argument(
        "--models", metavar="ADDRESS", help="dir:FOLDER or s3://BUCKET/PREFIX (FLEETPULSE_MODELS)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("list", help="show every model, and which ones are in use")
    one.set_defaults(act=list_models)

    one = commands.add_parser("publish", help="add the models of a folder, not yet in use")
    one.set_defaults(act=publish)
    one.add_argument("folder", type=Path, metavar="FOLDER", help="as `fleetpulse train` writes it")
    one.add_argument("--promote", action="store_true", help="use them at once")

    one = commands.add_parser("promote", help="have consumers use these versions")
    one.set_defaults(act=promote)
    one.add_argument("versions", type=_version, nargs="+", metavar="RULE=VERSION")

    one = commands.add_parser("shadow", help="score with candidates too, and warn nobody by them")
    one.set_defaults(act=shadow)
    one.add_argument("versions", type=_version, nargs="*", metavar="RULE=VERSION")
    one.add_argument("--stop", action="store_true", help="no candidate scores any more")

    one = commands.add_parser("rollback", help="have consumers use what they used before")
    one.set_defaults(act=roll_back)
    one.add_argument("rules", nargs="*", metavar="RULE", help="these only (default: all)")
    return parser


def _version(text: str) -> tuple[str, str]:
    rule, separator, version = text.partition("=")
    if not (rule and separator and version):
        raise argparse.ArgumentTypeError(f"{text!r} must look like heat=2026-11-22.68052fba")
    return rule, version


if __name__ == "__main__":
    sys.exit(main())
