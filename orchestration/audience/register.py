"""What is written from the audience models and the rule files: compiled models, and the register that unites all audiences.

Written files are committed. A refresh does not write them; it stops when they are not what they would be written as.
"""

import re
import textwrap
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from orchestration.audience.compiling import compiled_model
from orchestration.audience.describing import compiled_twin
from orchestration.audience.loading import RULES, RuleError, read_rule, rule_files
from orchestration.audience.rendering import DBT_PROJECT

MODELS = DBT_PROJECT / "models/audiences"
REGISTER = "int_audiences_evaluated.sql"
COMPILED = "Compiled from audiences/"
# Types that JSON has, too; anything else is told as text.
AS_THEY_ARE = ("varchar", "bigint", "integer", "boolean")
NOT_TOLD = ("profile_id", "instance_key")
HEADER = """\
-- The register of audiences: a block for each model audience_*, written by
-- `python -m orchestration.audience compile`. `attributes` is what destinations are
-- told about a member; nothing that changes with the clock alone belongs in it.
with

"""


def written_files(rules: Path = RULES, models: Path = MODELS) -> dict[Path, str]:
    """Every file that is written, with what it has to hold. Raises RuleError with everything that is wrong."""
    files: dict[Path, str] = {}
    mistakes: list[str] = []
    for path in rule_files(rules):
        try:
            rule = read_rule(path)
        except RuleError as error:
            mistakes.append(str(error))
            continue
        model = models / f"audience_{path.stem}.sql"
        if model.exists() and COMPILED not in model.read_text("utf-8"):
            mistakes.append(
                f"{path.parent.name}/{path.name}: {model.name} was written by hand and has its name; rename one"
            )
        files[model] = compiled_model(path.stem, rule)
        files[model.with_suffix(".yml")] = compiled_twin(path.stem, rule)
    if mistakes:
        raise RuleError("\n".join(mistakes))
    by_hand = {path for path in models.glob("audience_*.yml") if not is_compiled(path)}
    twins = sorted(by_hand | {path for path in files if path.suffix == ".yml"})
    twins_told = [
        described(files.get(path) or path.read_text("utf-8")) for path in twins
    ]
    files[models / REGISTER] = _register(twins_told)
    if circle := _circle(files, models):
        raise RuleError(
            f"{' is made of '.join(circle)}: an audience cannot be made of itself; take one of these references out"
        )
    return files


def _circle(files: dict[Path, str], models: Path) -> list[str]:
    """Audiences of which each is made of the next, the first again at the end; empty when there are none."""
    texts = {path.stem: path.read_text("utf-8") for path in models.glob("*.sql")}
    texts |= {path.stem: text for path, text in files.items() if path.suffix == ".sql"}
    reads = {
        name: set(re.findall(r"ref\(\s*'(audience_\w+)'", text))
        for name, text in texts.items()
        if name.startswith("audience_")
    }
    try:
        TopologicalSorter(reads).prepare()
    except CycleError as error:
        return [*reversed(error.args[1])]
    return []


def write() -> list[Path]:
    """Bring the written files up to date; those that changed. Models of rule files that are gone are removed."""
    files = written_files()
    changed = [path for path, text in files.items() if _held(path) != text]
    for path in changed:
        path.write_text(files[path], "utf-8")
    leftover = [*_leftover(files)]
    for path in leftover:
        path.unlink()
    return [*changed, *leftover]


def outdated() -> list[str]:
    """Sentences about written files that are not what they should be."""
    files = written_files()
    stale = [path for path, text in files.items() if _held(path) != text]
    remedy = "run `python -m orchestration.audience compile`"
    return [
        *(f"{path.name} is not up to date: {remedy}" for path in stale),
        *(f"{path.name} has lost its rule file: {remedy}" for path in _leftover(files)),
    ]


def is_compiled(path: Path) -> bool:
    return COMPILED in path.read_text("utf-8")


def _held(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def _leftover(files: dict[Path, str]) -> Iterator[Path]:
    for path in MODELS.glob("audience_*"):
        if path not in files and is_compiled(path):
            yield path


def described(text: str) -> dict[str, Any]:
    """What a twin says of its model."""
    found: dict[str, Any] = yaml.safe_load(text)["models"][0]
    return found


def _register(audiences: list[dict[str, Any]]) -> str:
    names = [each["name"].removeprefix("audience_") for each in audiences]
    blocks = [_block(name, each) for name, each in zip(names, audiences, strict=True)]
    union = "\n    union all\n".join(f"    select * from {name}" for name in names)
    return (
        HEADER
        + "".join(block + ",\n\n" for block in blocks)
        + f"final as (\n{union}\n)\n\nselect * from final\n"
    )


def _block(name: str, described: dict[str, Any]) -> str:
    columns = {column["name"]: column for column in described["columns"]}
    told = {
        column: _as_json(column, each["data_type"])
        for column, each in columns.items()
        if column not in NOT_TOLD
        and each.get("config", {}).get("meta", {}).get("told", True)
    }
    pairs = "".join(f"            '{column}': {sql},\n" for column, sql in told.items())
    attributes = f"{{{{ json_object_of({{\n{pairs}        }}) }}}}"
    if not told:
        attributes = "{{ json_object_of({}) }}"
    instance = "instance_key" if "instance_key" in columns else "'' as instance_key"
    return textwrap.dedent(
        f"""\
        {name} as (
            select
                '{name}' as audience_name,
                profile_id,
                {instance},
                ATTRIBUTES as attributes
            from {{{{ ref('audience_{name}') }}}}
        )"""
    ).replace("ATTRIBUTES", attributes)


def _as_json(column: str, data_type: str) -> str:
    if data_type.startswith(AS_THEY_ARE):
        return f"'{column}'"
    return f"'cast({column} as ' ~ dbt.type_string() ~ ')'"
