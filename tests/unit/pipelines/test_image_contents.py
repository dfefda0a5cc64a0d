"""What an image must not hold is found in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.image_contents import digest, problems_of, size_bytes

ALLOWED = {"fleetpulse": "0.1.0", "flask-restx": "1.3.2"}
SITE_PACKAGES = "opt/fleetpulse/lib/python3.11/site-packages"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The root of an image in which nothing is wrong."""
    for folder in ("fleetpulse-0.1.0.dist-info", "flask_restx-1.3.2.dist-info", "flask_restx"):
        (tmp_path / SITE_PACKAGES / folder).mkdir(parents=True)
    put(tmp_path, "usr/bin/python3.11")
    put(tmp_path, "usr/bin/passwd")
    put(tmp_path, "etc/ssl/certs/a.pem", "-----BEGIN CERTIFICATE-----\n")
    return tmp_path


def put(root: Path, path: str, text: str = "x") -> Path:
    """A file in the image."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_nothing_is_wrong_with_an_image_that_holds_its_process_alone(image: Path) -> None:
    assert problems_of(image, ALLOWED) == []


@pytest.mark.parametrize(
    "path",
    [
        "usr/bin/pip3",
        "usr/local/bin/pip",
        "opt/fleetpulse/bin/pip3.11",
        "usr/bin/x86_64-linux-gnu-gcc-12",
        "usr/bin/cc",
        "usr/bin/make",
        ".git/config",
        "source/tests/conftest.py",
        f"{SITE_PACKAGES}/tests/__init__.py",
        f"{SITE_PACKAGES}/model/training_data/pc.csv",
        f"{SITE_PACKAGES}/api/.env",
        "data/fleetpulse.db",
        "root/.netrc",
    ],
)
def test_a_file_that_has_no_business_there_is_named(image: Path, path: str) -> None:
    put(image, path)

    (problem,) = problems_of(image, ALLOWED)

    assert path.split("/")[-1] in problem or "source tree" in problem


def test_a_private_key_is_found_whatever_its_name(image: Path) -> None:
    put(image, "opt/fleetpulse/notes.txt", "-----BEGIN EC PRIVATE KEY-----\n")  # noqa: S105

    assert problems_of(image, ALLOWED) == ["/opt/fleetpulse/notes.txt is a private key"]


def test_what_another_process_needs_is_not_of_its_extra(image: Path) -> None:
    (image / SITE_PACKAGES / "numpy-2.4.6.dist-info").mkdir()

    assert problems_of(image, ALLOWED) == ["numpy is not of its extra"]


def test_a_distribution_that_is_missing_or_of_another_version_is_named(image: Path) -> None:
    wanted = {"fleetpulse": "0.2.0", "flask-restx": "1.3.2", "limits": "5.8.0"}

    assert problems_of(image, wanted) == ["limits is missing", "fleetpulse is 0.1.0, not 0.2.0"]


def test_what_is_installed_beside_the_environment_is_named(image: Path) -> None:
    (image / "usr/local/lib/python3.11/site-packages/fleetpulse-0.1.0.dist-info").mkdir(
        parents=True
    )

    assert problems_of(image, ALLOWED) == ["fleetpulse is installed outside of /opt/fleetpulse"]


def test_a_program_that_anybody_may_change_is_named(image: Path) -> None:
    (image / "usr/bin/passwd").chmod(0o777)

    assert problems_of(image, ALLOWED) == ["/usr/bin/passwd may be changed by its process"]


def test_the_hash_tells_contents_and_modes_and_no_times(image: Path) -> None:
    file = image / "usr/bin/passwd"
    before = digest(image)

    os.utime(file, (0, 0))
    same = digest(image)
    file.chmod(0o700)
    other_mode = digest(image)
    file.write_text("y")

    assert same == before
    assert len({before, other_mode, digest(image)}) == 3


def test_a_file_of_two_names_counts_once(image: Path) -> None:
    before = size_bytes(image)

    os.link(image / "usr/bin/passwd", image / "usr/bin/chpasswd")

    assert size_bytes(image) == before
