"""The environment, typed and read once.

Paths and switches that differ between machines belong here. Business choices are seeds, thresholds are dbt vars.
"""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

TENANT = r"^[a-z][a-z0-9_]{0,62}$"
"""A tenant's name is also the name of its folder."""

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Where things live. Every path is absolute; folders are made by whoever writes into them."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", frozen=True)

    home: Path = Field(
        default=PROJECT_ROOT / "data",
        description="Everything the platform keeps: landing zone, warehouse, keys.",
    )
    tenant: str | None = Field(
        default=None,
        pattern=TENANT,
        description="One tenant's part of the platform instead of the house's: everything under home/tenants/<name>.",
    )
    sources_dir: Path = Field(
        default=PROJECT_ROOT / "sources",
        description="Folder of source declarations, one YAML file each.",
    )
    journeys_dir: Path = Field(
        default=PROJECT_ROOT / "journeys",
        description="Folder of journeys, one YAML file each.",
    )
    triggers_dir: Path = Field(
        default=PROJECT_ROOT / "ingestion" / "contracts" / "triggers",
        description="Folder of custom triggers, one YAML file per major version.",
    )
    issuers_file: Path = Field(
        default=PROJECT_ROOT / "issuers.yml",
        description="Whose OAuth tokens the collector takes; none if there is no such file.",
    )
    destinations_file: Path = Field(
        default=PROJECT_ROOT / "destinations.yml",
        description="The declared destinations.",
    )
    alerts: str | None = Field(
        default=None,
        description="Who is told what needs a person, separated by commas: destinations of kind slack or webhook, mailto:somebody@example.com; the log if unset.",
    )
    smtp: SecretStr | None = Field(
        default=None,
        description="The server for alerts by mail: smtp://user:password@host:587, or smtps://…",
    )
    extracts_dir: Path | None = Field(
        default=None,
        description="Folder that relative file globs of sources start from; home/extracts if unset.",
    )
    dbt_project_dir: Path = Field(
        default=PROJECT_ROOT / "dbt_project",
        description="The dbt project.",
    )
    target: Literal["duckdb", "spark", "sail"] = Field(
        default="duckdb",
        description="What computes the warehouse: a DuckDB file, or a cluster that speaks Spark Connect.",
    )
    spark_remote: str = Field(
        default="",
        description="The cluster's Spark Connect endpoint; as in dbt_project/profiles.yml if unset.",
    )
    spark_landing: str = Field(
        default="",
        description="Where the cluster reads segments: a folder that all its machines see, or object storage such as s3a://bucket/landing, in a folder of its own; beside the warehouse if unset.",
    )
    table_format: Literal["parquet", "iceberg", "delta"] = Field(
        default="parquet", description="Format of the cluster's tables."
    )
    copy_events: bool = Field(
        default=False,
        description="Whether everything comes home from the cluster, events included: for what fits this machine.",
    )

    @cached_property
    def landing(self) -> Path:
        return self.home.resolve() / "landing"

    @cached_property
    def warehouse(self) -> Path:
        return self.home.resolve() / "warehouse" / "millrace.duckdb"

    @cached_property
    def published(self) -> Path:
        return self.home.resolve() / "published" / "millrace.duckdb"

    @property
    def is_on_cluster(self) -> bool:
        return self.target != "duckdb"

    @cached_property
    def extracts(self) -> Path:
        return (self.extracts_dir or self.home / "extracts").resolve()

    @cached_property
    def outbox(self) -> Path:
        return self.home.resolve() / "outbox"

    @cached_property
    def keys(self) -> Path:
        """One file for all, because one collector serves all."""
        house = self.home.parents[1] if self.tenant else self.home
        return house.resolve() / "keys.json"

    @cached_property
    def tenants(self) -> Path:
        return self.home.resolve() / "tenants"

    def of_tenant(self, name: str) -> "Settings":
        """Those of a tenant: what it keeps and what it declares are its own."""
        home = self.tenants / name
        return Settings(
            tenant=name,
            home=home,
            sources_dir=home / "sources",
            triggers_dir=home / "triggers",
            journeys_dir=home / "journeys",
            destinations_file=home / "destinations.yml",
            extracts_dir=home / "extracts",
            dbt_project_dir=self.dbt_project_dir,
        )


def settings() -> Settings:
    """The settings as the environment says now."""
    found = Settings()
    return found.of_tenant(found.tenant) if found.tenant else found
