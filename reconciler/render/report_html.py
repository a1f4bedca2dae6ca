"""A report as one page: a file without script, or anything from elsewhere, that a strict policy lets show its style."""

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from reconciler.picture.colours import DARK, LIGHT, Scheme
from reconciler.picture.html import PAGE_STYLE, card_table, data_table, figures, legend, table
from reconciler.picture.markup import Markup, cut, element, joined
from reconciler.render.reports import Listing, Report, Table


def _scheme_rules(scheme: Scheme) -> str:
    return (
        f"body{{background:{scheme.page};color:{scheme.ink}}}"
        f".about,dt,caption{{color:{scheme.faint}}}"
        f"th,td{{border-color:{scheme.host}}}"
        f"thead th{{border-color:{scheme.line}}}"
    )


_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{margin:0;font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif}"
    "main{padding:24px;max-width:2400px;margin:0 auto}"
    "h1{font-size:24px;line-height:1.25;margin:0;overflow-wrap:anywhere}"
    "h2{font-size:18px;margin:32px 0 8px}"
    "h3{font-size:16px;margin:24px 0 8px}"
    ".about{margin:4px 0 16px;overflow-wrap:anywhere}"
    "dl{display:flex;flex-wrap:wrap;gap:8px 32px;margin:0 0 24px}"
    "dd{margin:0;overflow-wrap:anywhere}"
    "ul.lines{list-style:none;padding:0;margin:0;overflow-wrap:anywhere;white-space:pre-wrap}"
    ".crypto-table{overflow-x:auto;margin:24px 0}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:max-content}"
    "caption{text-align:left;padding-bottom:4px}"
    "th,td{text-align:left;vertical-align:top;padding:4px 20px 4px 0;border-bottom:1px solid;max-width:480px;"
    "overflow-wrap:break-word}"
    "th{font-weight:600}"
    f"{_scheme_rules(LIGHT)}"
    f"@media (prefers-color-scheme:dark){{{_scheme_rules(DARK)}}}"
    "@media (max-width:640px){main{padding:12px}}"
    f"{PAGE_STYLE}"
)
_POLICY: Final = "default-src 'none'; style-src 'sha256-{}'"


def report_html(report: Report, version: str, more: Sequence[Report] = ()) -> str:
    """The page of `report` and of `more`, in ASCII, ended by a newline; `version` is that of reconcile."""
    digest = b64encode(sha256(_STYLE.encode()).digest()).decode()
    others = f" and {len(more):,} more" if more else ""
    title = f"{cut(report.host, 80)}{others}: crypto queues"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=Markup(_POLICY.format(digest))),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content=f"reconcile {version}"),
        element("title", title),
        element("style", Markup(_STYLE)),
    )
    main = element("main", *([_several([report, *more])] if more else [_body(report)]))
    page = element("html", head, Markup("\n"), element("body", main), lang="en")
    return ascii_text(f"<!DOCTYPE html>\n{page}\n")


def _several(reports: Sequence[Report]) -> Markup:
    """All of `reports`, below one heading."""
    kind = reports[0].kind.lower()
    bodies = (element("section", _body(one, str(number), 2)) for number, one in enumerate(reports, 1))
    return joined(element("h1", f"{len(reports):,} {kind}s"), *bodies)


def _body(report: Report, number: str = "", level: int = 1) -> Markup:
    """All of `report`, below a heading of this `level`; its `number` makes its ids unique in the page."""
    below = f"h{level + 1}"
    return joined(
        element(f"h{level}", f"{report.kind} {cut(report.host, 80)}"),
        element("p", report.about, class_="about"),
        element("dl", *(_fact(*one) for one in report.facts)) if report.facts else Markup(),
        element(below, "Queues"),
        _queues(report, number),
        *(_part(one, below) for one in report.parts),
        element(below, "The picture in words"),
        *map(table, report.pictures),
        card_table(report.pictures[-1]),
    )


def ascii_text(markup: str) -> str:
    """`markup` in ASCII, so that it can be written wherever text can: other characters by their numbers."""
    return re.sub(r"[^\x00-\x7f]", lambda found: f"&#{ord(found[0])};", markup)


def _fact(name: str, value: str) -> Markup:
    return element("div", element("dt", name), element("dd", value))


_NONE_OF_THESE: Final = "None of the guests that are shown has or claims a queue."


def _queues(report: Report, number: str) -> Markup:
    if not any(one.rows for one in report.pictures):
        is_part = any(one.present or any(one.counts.values()) for one in report.pictures)
        return element("p", _NONE_OF_THESE if is_part else "No queue is there, held or claimed.")
    return joined(figures(report.pictures, f"picture{number}"), legend(report.pictures, f"key{number}"))


def _part(part: Table | Listing, heading: str) -> Markup:
    if isinstance(part, Table):
        return joined(element(heading, part.title), data_table(part.title, part.heads, part.rows))
    return joined(
        element(heading, part.title), element("ul", *(element("li", one) for one in part.lines), class_="lines")
    )
