"""Packaging: one extra per process, so that an agent carries no model and a bot no broker."""

from __future__ import annotations

import os
import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "fleetpulse/__init__.py").read_text())[1]
# GitHub Actions sets it; nothing else here knows where the repository is.
REPOSITORY = os.environ.get("GITHUB_REPOSITORY") or None
PICTURE = r"!\[[^]]*\]\((?!https?:)[^)]+\)"


def description(readme: str, repository: str | None) -> str:
    """The README for a page on which links to files of the repository lead nowhere.

    They and pictures are led to GitHub. repository: OWNER/NAME there; None: not known, so links
    become their words and pictures are left out.
    """
    if repository is None:
        readme = re.sub(rf"^\|( *{PICTURE} *\|)+\n\|[-|]+\|\n", "", readme, flags=re.MULTILINE)
        readme = re.sub(PICTURE, "", readme)
        return re.sub(r"\[([^][]*)\]\((?!https?:|#)[^)]+\)", r"\1", readme)
    raw = f"https://raw.githubusercontent.com/{repository}/HEAD/"
    readme = re.sub(r"(!\[[^]]*\]\()(?!https?:)", rf"\1{raw}", readme)
    page = f"https://github.com/{repository}/blob/HEAD/"
    return re.sub(r"(\[[^][]*\]\()(?!https?:|#)", rf"\1{page}", readme)


CORE = ["msgspec>=0.20", "prometheus-client>=0.23"]
SQL = ["SQLAlchemy>=2.1", "alembic>=1.17", "psycopg[binary]>=3.2"]
AWS = ["boto3>=1.40"]
SCHEMA = ["confluent-kafka[json,schemaregistry]==2.16.0"]
AGENT = ["confluent-kafka==2.16.0", "psutil>=7", "gpiozero>=2.0.1"]
CONSUMER = [
    "confluent-kafka==2.16.0",
    "numpy>=2.2",
    "rich>=14",  # bars; 14 MB with what it needs, so not on an agent's machine
    "scikit-learn>=1.9,<1.10",  # model files are made for one minor version
    "skops>=0.14",
    *SQL,
    *AWS,
]
API = [
    "flask>=3.1",
    "flask-restx>=1.3.2",
    "gunicorn>=23",
    "limits>=5",
    "confluent-kafka==2.16.0",
    "uplot-python>=1.1",
    *SQL,
    *AWS,
]
BOT = [
    "python-telegram-bot[rate-limiter]>=22.8,<23",
    "matplotlib>=3.10",
    "flask>=3.1",
    *SQL,
    *AWS,
]
NOTIFY = [
    "apprise>=2.3,<3",
    "httpcore>=1.0.9,<2",
    "standardwebhooks>=1.1,<2",
    "matplotlib>=3.10",
    *SQL,
    *AWS,
]
EXTRAS = {
    "agent": AGENT,
    "consumer": CONSUMER,
    "train": [*CONSUMER, "matplotlib>=3.10"],  # the report's pictures
    "api": API,
    "bot": BOT,
    "notify": NOTIFY,
    "schema": SCHEMA,
}
EXTRAS["all"] = sorted({need for needs in EXTRAS.values() for need in needs})
DOCS = ["mkdocs>=1.6,<2", "mkdocs-material>=9.8,<10"]
TESTS = [
    *DOCS,  # a test builds the site
    "aiosmtpd>=1.4.6",
    "build>=1.3",
    "check-jsonschema>=0.39",
    "cryptography>=46",
    "hypothesis>=6.150",
    "import-linter>=2.5",
    "mypy>=2.4",
    "playwright>=1.60",
    "pytest>=9",
    "pytest-xdist>=3.8",
    "python-hcl2>=8.1,<9",
    "ruamel.yaml>=0.19",
    "ruff>=0.17,<0.18",
    "schemathesis>=4.3",
    "types-boto3[dynamodb,s3]>=1.40",
    "uv>=0.9",
]

setup(
    name="fleetpulse",
    version=VERSION,
    description="Watches a fleet of PCs and Raspberry Pis and says before one gets into trouble.",
    long_description=(
        description((ROOT / "README.md").read_text(), REPOSITORY)
        if (ROOT / "README.md").exists()
        else ""
    ),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    project_urls={"Source": f"https://github.com/{REPOSITORY}"} if REPOSITORY else {},
    classifiers=[
        "Environment :: Console",
        "Environment :: Web Environment",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Monitoring",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    install_requires=CORE,
    extras_require=EXTRAS | {"docs": DOCS, "test": TESTS},
    # Listed one by one: `api`, `bot` and `model` are common names, and a search would take more.
    packages=[
        "fleetpulse",
        "fleetpulse.actions",
        "fleetpulse.cli",
        "fleetpulse.delivery",
        "fleetpulse.stores",
        "fleetpulse.stores.migrations",
        "fleetpulse.stores.migrations.versions",
        "generators",
        "consumer",
        "consumer.stages",
        "model",
        "api",
        "api.resources",
        "api.dashboard",
        "bot",
        "bot.simulator",
    ],
    package_data={
        "model": ["exported_models/*"],
        "api.dashboard": ["static/*", "templates/*"],
        "bot.simulator": ["static/*", "templates/*"],
        "fleetpulse": ["py.typed"],
    },
    entry_points={"console_scripts": ["fleetpulse=fleetpulse.cli:main"]},
)
