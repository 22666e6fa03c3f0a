"""Settings: command line over ``PRECERT_*`` variables over ``precert.toml`` over defaults."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from precert.crd.cards import SmartApp
from precert.fhir.validation import Mode, RuleClass
from precert.security.identity import SecurityMode
from precert.security.jwt import JwtConfig


def shipped(name: str) -> Path:
    """A data folder that comes with precert (``examples`` or ``profiles``): inside the wheel, or beside ``src``."""
    packaged = Path(str(resources.files("precert"))) / "_data" / name
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / name


_CONFIG = Path("precert.toml")


class Settings(BaseSettings):
    """Everything an operator can set; each field is also ``PRECERT_<FIELD>`` and a key in ``precert.toml`` (``config``)."""

    model_config = SettingsConfigDict(env_prefix="PRECERT_", extra="ignore")

    config: Path = _CONFIG
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    data: Path = Path("data")
    store: str = ""  # mongita:DIR; empty = mongita in <data>/store
    policies: Path = Field(default_factory=lambda: shipped("examples") / "policies")
    forms: Path | None = Field(default_factory=lambda: shipped("examples") / "forms")  # hand-made questionnaires
    eligibility: Path = Field(default_factory=lambda: shipped("examples") / "eligibility")
    eligibility_mode: Literal["directory", "presented"] = "presented"
    security: SecurityMode = "open"
    clients: Path | None = None  # the registry of client systems, for security mode smart
    smart_discovery: dict[str, Any] = Field(default_factory=dict)  # published with the smart-configuration, over ours
    crd_jwt: JwtConfig = Field(default_factory=JwtConfig)  # who may sign CDS Hooks calls; no issuers = no JWT needed
    crd_clinical_prefetch: bool = True  # discovery asks for the data that policies read; else they are queried
    crd_apps: tuple[SmartApp, ...] = ()  # SMART apps offered with the orders that certain policies decide
    crd_demo_plan: str | None = None  # plan taken for patients of sandboxes that have no Coverage; never with real data
    open_anywhere: bool = False  # serve open mode beyond loopback (never with real data)
    public_url: str | None = None  # how clients reach us, when a proxy stands in between
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool | None = None
    max_body_bytes: int = 20 * 1024 * 1024
    validation: Mode = Mode.LENIENT  # strict | lenient | off: what a broken profile rule in a request means
    validation_rules: dict[RuleClass, Mode] = Field(default_factory=dict)  # the same for single classes of rules
    validate_answers: bool = False  # check everything we send; for tests, it costs
    subscriptions_allow_private: bool = False  # notify loopback, private and link-local addresses, and plain http
    crd_allow_private: bool = False  # fetch from EHR servers at such addresses
    strict_policies: bool = False  # refuse to start while anything is wrong in the policy folder
    policy_reload_seconds: float = Field(2.0, ge=0)  # how often the policy folder is looked at; 0 = never

    @field_validator("config")
    @classmethod
    def _there(cls, value: Path) -> Path:
        if value != _CONFIG and not value.is_file():
            raise ValueError(f"there is no file {value}")
        return value

    @field_validator("forms", mode="before")
    @classmethod
    def _no_forms(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("store")
    @classmethod
    def _known_store(cls, value: str) -> str:
        if value and not value.startswith("mongita:"):
            raise ValueError("the store must be mongita:DIR")
        return value

    @property
    def base_url(self) -> str:
        """The address that clients use; tokens are bound to it."""
        scheme = "https" if self.tls_cert else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"{scheme}://{host}:{self.port}"

    @property
    def store_directory(self) -> Path:
        """Where the embedded store lives."""
        return Path(self.store.removeprefix("mongita:")) if self.store else self.data / "store"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        config = {**env_settings(), **init_settings()}.get("config", _CONFIG)
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config)
