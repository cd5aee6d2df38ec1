"""The walls of the house as functions that return whoever walks through them, one sentence each.

The dbt walls read a manifest, so a test can plant a violation in a copy; the Python walls read import statements.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.unit.portable import CONSTRUCTS, INSTEAD, PORTABLE, SPELLINGS, WORDS

Manifest = dict[str, Any]

# A model may read its own layer and the ones before it. Layers of one number stand side by side.
LAYERS = {
    "staging": 0,
    "identity": 1,
    "profiles": 2,
    "sessions": 2,
    "orders": 2,
    "marketing": 2,
    "audiences": 3,
    "journeys": 4,
    "activation": 5,
    "privacy": 6,
    "observability": 6,
}
PUBLIC = ("dim_", "fct_", "audience_")

ENGINES = re.compile(r"\b(duckdb|spark)\b", re.IGNORECASE)
CALL = re.compile(r"(?<![\w.])([a-z_]\w*)\(", re.IGNORECASE)
TARGET = re.compile(r"\btarget\.(type|name|profile_name)\b|\badapter\.")
STATEMENT = re.compile(r"{%-?\s*(\w+)\s*(.*?)-?%}", re.DOTALL)

# package: what it must not import (the longest matching package rules).
PYTHON_WALLS = {
    "ingestion": ("dagster", "dbt", "orchestration"),
    "ingestion.contracts": ("dagster", "dbt", "duckdb", "orchestration", "ingestion"),
    "ingestion.landing": (
        *("dagster", "dbt", "duckdb", "orchestration"),
        *("ingestion.collector", "ingestion.connectors"),
    ),
    "ingestion.collector": (
        "dagster",
        "dbt",
        "duckdb",
        "orchestration",
        "ingestion.connectors",
    ),
    "ingestion.connectors": ("dagster", "dbt", "orchestration", "ingestion.collector"),
    "orchestration.realtime": ("dbt", "dagster_dbt", "orchestration.assets"),
    "orchestration.relay": (
        *("dagster", "dbt", "dagster_dbt", "orchestration.assets"),
        "orchestration.resources",
    ),
    "orchestration.destinations": (
        "dagster",
        "dbt",
        "orchestration.assets",
        "orchestration.warehouse",
    ),
}


def models(manifest: Manifest) -> list[dict[str, Any]]:
    """Our models, in the order of their names."""
    nodes = manifest["nodes"].values()
    ours = [
        n
        for n in nodes
        if n["resource_type"] == "model" and n["package_name"] == "millrace"
    ]
    return sorted(ours, key=lambda node: node["name"])


def layer(node: dict[str, Any]) -> str:
    return Path(node["path"]).parts[0]


def layers_flow_one_way(manifest: Manifest) -> Iterator[str]:
    for node in models(manifest):
        for upstream in _upstream_models(manifest, node):
            if LAYERS.get(layer(node), -1) < LAYERS.get(layer(upstream), 99):
                yield f"{layer(node)}/{node['name']} reads {layer(upstream)}/{upstream['name']}"


def only_staging_reads_sources(manifest: Manifest) -> Iterator[str]:
    for node in models(manifest):
        sources = [i for i in node["depends_on"]["nodes"] if i.startswith("source.")]
        if sources and layer(node) != "staging":
            yield f"{layer(node)}/{node['name']} reads {', '.join(sources)}"


def two_files_tell_everything(manifest: Manifest) -> Iterator[str]:
    for node in models(manifest):
        twin = str(Path(node["original_file_path"]).with_suffix(".yml"))
        if not (node["patch_path"] or "").endswith(twin):
            yield f"{node['name']} has no twin {twin}"
        if not node["description"].strip():
            yield f"{node['name']} has no description"
        for name, column in node["columns"].items():
            if not column["description"].strip():
                yield f"{node['name']}.{name} has no description"


def public_means_contracted(manifest: Manifest) -> Iterator[str]:
    for node in models(manifest):
        if (
            node["name"].startswith(PUBLIC)
            and not node["config"]["contract"]["enforced"]
        ):
            yield f"{node['name']} is public and has no enforced contract"


def doors_are_what_names_say(manifest: Manifest) -> Iterator[str]:
    """A room is a group; the public names, and no others, are open to anybody."""
    for node in models(manifest):
        name, access = node["name"], node["config"]["access"]
        if node["config"]["group"] != layer(node):
            yield f"{name} is in the group {node['config']['group']}"
        is_public = name.startswith(PUBLIC) or name == "activation_changes"
        if (access == "public") != is_public:
            yield f"{name} is {access}"


def no_model_knows_the_target(manifest: Manifest) -> Iterator[str]:
    for node in models(manifest):
        for found in TARGET.findall(node["raw_code"]):
            yield f"{node['name']} asks for the target ({found})"


def engines_are_named_in_the_dialect_only(manifest: Manifest) -> Iterator[str]:
    for name, text in _texts(manifest).items():
        if found := ENGINES.search(text):
            yield f"{name} names an engine: {found[0]}"


def functions_are_known_to_both_engines(manifest: Manifest) -> Iterator[str]:
    """What a model calls that is no macro of ours, with what to write instead."""
    macros = {macro["name"] for macro in _macros(manifest)}
    macros |= {name.removeprefix("test_") for name in macros}
    spoken = {name.partition("__")[2] for name in macros if "__" in name}
    for name, code in _texts(manifest).items():
        for called in sorted({c.lower() for c in CALL.findall(code)}):
            if called in PORTABLE | WORDS | macros | spoken or _is_step(called, code):
                continue
            instead = INSTEAD.get(called) or _speakers(manifest, called)
            yield (
                f"{name} calls {called}, which one engine lacks or reads otherwise; "
                f"instead: {instead or 'a macro of its own in macros/dialect'}"
            )


def constructs_are_known_to_both_engines(manifest: Manifest) -> Iterator[str]:
    for name, code in _texts(manifest).items():
        for patterns, text in ((SPELLINGS, code), (CONSTRUCTS, _sql_alone(code))):
            for pattern, instead in patterns.items():
                if found := re.search(pattern, text, re.IGNORECASE | re.DOTALL):
                    said = " ".join(found[0].split())
                    yield f"{name} says {said}, which one engine refuses or reads otherwise; instead: {instead}"


def _sql_alone(code: str) -> str:
    """Without Jinja, and texts empty."""
    sql = re.sub(r"{{.*?}}|{%.*?%}", " jinja ", code, flags=re.DOTALL)
    return re.sub(r"'[^'\n]*'", "''", sql)


def _speakers(manifest: Manifest, function: str) -> str:
    """The macros of the dialect that say this function for an engine."""
    macros = {
        macro["name"].partition("__")[2]
        for macro in _macros(manifest)
        if "macros/dialect/" in macro["path"]
        and macro["name"].startswith(("duckdb__", "spark__"))
        and re.search(rf"(?<![\w.]){function}\s*\(", macro["macro_sql"])
    }
    return " or ".join(f"{{{{ {each}(…) }}}}" for each in sorted(macros))


def _is_step(name: str, code: str) -> bool:
    """A step of the query that names its columns: weeks (weeks_ago) as (…)."""
    return bool(
        re.search(rf"\b{name}\s*\([\w, ]+\)\s+as\s*\(|\bas\s+{name}\s*\(", code)
    )


def _texts(manifest: Manifest) -> dict[str, str]:
    """The models, and the macros in which no engine may be named."""
    texts = {node["name"]: node["raw_code"] for node in models(manifest)}
    for macro in _macros(manifest):
        if "macros/dialect/" not in macro["path"] and "materializ" not in macro["path"]:
            texts[f"macro {macro['name']}"] = macro["macro_sql"]
    return {name: _without_comments(text) for name, text in texts.items()}


def every_dialect_macro_has_a_body_per_engine(manifest: Manifest) -> Iterator[str]:
    """A body for one engine alone may only replace what dbt says for that engine."""
    names = {macro["name"] for macro in _macros(manifest)}
    dbts = {
        m["name"] for m in manifest["macros"].values() if m["package_name"] == "dbt"
    }
    for name in sorted(names):
        if name.startswith("default__"):
            yield f"{name} hides an engine that nobody thought of"
        for engine, other in (("duckdb__", "spark__"), ("spark__", "duckdb__")):
            spoken = name.removeprefix(engine)
            if spoken != name and other + spoken not in names and spoken not in dbts:
                yield f"{name} has no {other} body"


def models_are_plain_sql(manifest: Manifest) -> Iterator[str]:
    """No Jinja control flow beyond is_incremental, and no model that is only a macro call."""
    for node in models(manifest):
        code = _without_comments(node["raw_code"])
        for statement, rest in STATEMENT.findall(code):
            allowed = statement in ("else", "endif") or (
                statement == "if"
                and re.fullmatch(r"(not )?is_incremental\(\)\s*", rest)
            )
            if not allowed:
                yield f"{node['name']} has control flow: {statement} {rest}".strip()
        if not re.search(
            r"\bselect\b", re.sub(r"{{.*?}}|{%.*?%}", "", code, flags=re.DOTALL)
        ):
            yield f"{node['name']} is only a macro call"


def incremental_models_remember(manifest: Manifest) -> Iterator[str]:
    """Without marks a model would be built anew at every refresh, from inputs that hold only what was touched."""
    for node in models(manifest):
        config = node["config"]
        hooks = "".join(hook["sql"] for hook in config["post-hook"])
        replaces = config.get("incremental_strategy") == "replace_keys"
        if replaces and config["full_refresh"] is None and "remember(" not in hooks:
            yield f"{node['name']} is incremental and has no post-hook remember"


DBT_WALLS = (
    incremental_models_remember,
    layers_flow_one_way,
    only_staging_reads_sources,
    two_files_tell_everything,
    public_means_contracted,
    doors_are_what_names_say,
    no_model_knows_the_target,
    engines_are_named_in_the_dialect_only,
    functions_are_known_to_both_engines,
    constructs_are_known_to_both_engines,
    every_dialect_macro_has_a_body_per_engine,
    models_are_plain_sql,
)


def imports_stay_in_their_rooms(files: Iterable[tuple[str, str]]) -> Iterator[str]:
    """`files` are (dotted module name, source text)."""
    for module, text in files:
        room = max((r for r in PYTHON_WALLS if _within(module, r)), key=len, default="")
        for imported in _imports(text):
            for banned in PYTHON_WALLS.get(room, ()):
                if _within(imported, banned) and not _within(imported, room):
                    yield f"{module} imports {imported}"


def _upstream_models(
    manifest: Manifest, node: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    for unique_id in node["depends_on"]["nodes"]:
        if unique_id.startswith("model."):
            yield manifest["nodes"][unique_id]


def _macros(manifest: Manifest) -> list[dict[str, Any]]:
    return [m for m in manifest["macros"].values() if m["package_name"] == "millrace"]


def _without_comments(code: str) -> str:
    return re.sub(r"--[^\n]*|{#.*?#}", "", code, flags=re.DOTALL)


def _within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def _imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
