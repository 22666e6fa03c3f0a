"""Wrong packages are refused with a message that helps; an old SQLite is warned about."""

from __future__ import annotations

from importlib import metadata

import pytest
from structlog.testing import capture_logs

from precert.store.installation import UnsafeInstallation, check_packages, check_privates, warn_about_sqlite


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)


def test_what_is_installed_here_is_right() -> None:
    check_packages()


def test_the_bson_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, bson="0.5.10", mongita="1.2.0")
    with pytest.raises(UnsafeInstallation, match="pip uninstall -y bson"):
        check_packages()


@pytest.mark.parametrize("versions", [{}, {"mongita": "1.3.0"}])
def test_another_mongita_is_refused(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    installed(monkeypatch, **versions)
    with pytest.raises(UnsafeInstallation, match=r"pip install mongita==1\.2\.0"):
        check_packages()


def test_missing_private_names_are_named() -> None:
    class Changed:
        def _Collection__find(self) -> None: ...

    with pytest.raises(UnsafeInstallation, match=r"Changed\._Collection__find_one, .*_Database__create"):
        check_privates(Changed, Changed, Changed)


@pytest.mark.parametrize(
    ("version", "warned"), [((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 53, 0), False)]
)
def test_an_old_sqlite_is_warned_about(version: tuple[int, ...], warned: bool) -> None:
    with capture_logs() as logs:
        assert warn_about_sqlite(version) is warned
    assert [log["log_level"] for log in logs] == (["warning"] if warned else [])
