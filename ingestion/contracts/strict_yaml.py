"""YAML as people mean it: a key given twice is a mistake, and `no`, `on` and `off` are words.

What a file has to hold is judged by whoever reads it.
"""

from pathlib import Path
from typing import Any

import yaml

BOOLEAN = "tag:yaml.org,2002:bool"


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice; only true and false are truth values."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value!r} is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_StrictLoader.yaml_implicit_resolvers = {
    first: [
        (tag, form)
        for tag, form in resolvers
        if first not in "yYnNoO" or tag != BOOLEAN
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises ValueError with a sentence that names the file by folder and name."""
    try:
        return yaml.load(path.read_text("utf-8"), _StrictLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = f"{path.parent.name}/{path.name}"
        reason = " ".join(str(error).split())
        raise ValueError(f"{place} is not valid YAML: {reason}") from error
