"""The catalogue of custom triggers as a page for people: what may be sent, what it means, how a call looks.

Made from the same entries as the JSON catalogue. Whatever is shown was written by somebody else, so it is escaped.
"""

import json
from html import escape
from typing import Any

from ingestion.contracts.base import JsonObject

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept",
}

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #8884}
pre{background:#8881;padding:.8rem;overflow:auto}section{margin:2.5rem 0}small{opacity:.7}:root{color-scheme:light dark}"""


def page(catalogue: list[JsonObject]) -> str:
    """The whole page."""
    sections = "".join(map(_section, catalogue)) or "<p>No trigger is declared yet.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Custom triggers</title>'
        f"<style>{STYLE}</style></head><body><h1>Custom triggers</h1>"
        f"<p>Send a call to <code>POST /triggers/&lt;name&gt;</code> with a key of yours.</p>{sections}"
        "</body></html>"
    )


def _section(trigger: JsonObject) -> str:
    name, version = escape(trigger["name"]), escape(trigger["version"])
    facts = {
        "Owner": trigger["owner"],
        "Purpose": trigger["purpose"],
        "Recipient, one of": ", ".join(trigger["audience"]["identifiers"]),
        "Web pages may send it": "yes" if trigger["browsers"] else "no",
    }
    told = " · ".join(f"{what}: <b>{escape(fact)}</b>" for what, fact in facts.items())
    schema = trigger["json_schema"]
    required = set(schema.get("required", ()))
    properties = schema.get("properties", {})
    rows = "".join(
        _row(each, about, each in required) for each, about in properties.items()
    )
    head = "<tr><th>Property</th><th>Type</th><th>Meaning</th></tr>"
    return (
        f'<section id="{name}-{version}"><h2>{name} <small>{version}</small></h2>'
        f"<p>{escape(trigger['description'])}</p><p><small>{told}</small></p>"
        f"<table>{head}{rows}</table><pre>{escape(_example(trigger))}</pre></section>"
    )


def _row(name: str, about: JsonObject, is_required: bool) -> str:
    mark = "" if is_required else " <small>optional</small>"
    meaning = escape(about.get("description", ""))
    return (
        f"<tr><td><code>{escape(name)}</code>{mark}</td>"
        f"<td>{escape(_type(about))}</td><td>{meaning}</td></tr>"
    )


def _type(about: JsonObject) -> str:
    """The type and what is valid for it, in words."""
    choices = [each for each in about.get("anyOf", [about]) if each != {"type": "null"}]
    (kind, *_) = choices
    words = [str(kind.get("format") or kind.get("type", ""))]
    if "items" in kind:
        words.append(f"of {kind['items'].get('type', 'anything')}")
    valid = kind.get("enum") or ([kind["const"]] if "const" in kind else None)
    if valid:
        words.append(f"one of {', '.join(map(str, valid))}")
    for word, says in (("minimum", "from"), ("maximum", "to"), ("pattern", "like")):
        if word in kind:
            limit = kind[word]
            words.append(f"{says} {limit if word == 'pattern' else f'{limit:g}'}")
    return " ".join(words)


def _example(trigger: JsonObject) -> str:
    properties: dict[str, Any] = {
        name: about["examples"][0]
        for name, about in trigger["json_schema"].get("properties", {}).items()
        if about.get("examples")
    }
    (recipient, *_) = trigger["audience"]["identifiers"]
    call = {
        "version": trigger["version"],
        recipient: "…",
        "properties": properties,
    }
    body = json.dumps(call, ensure_ascii=False, indent=2)
    return f"POST /triggers/{trigger['name']}\n{body}"
