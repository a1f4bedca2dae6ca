"""A picture in a page: its heads stay where it scrolls, with a legend, and a table that says the same in words.

The fragments have classes and no styles; `PAGE_STYLE` has the rules for all of them, for the style sheet of a page.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model.ids import IdSet
from reconciler.picture.cells import Picture, Side, State
from reconciler.picture.colours import DARK, LIGHT, Scheme
from reconciler.picture.markup import Markup, cut, element, joined
from reconciler.picture.sheet import Key, key_of_holders, key_of_signs
from reconciler.picture.svg import STYLE, parts
from reconciler.picture.words import LONGEST_NAME, SIDES, Density, density_of, summary, words_of


def _scheme_rules(scheme: Scheme) -> str:
    return (
        f".crypto-scroll,.crypto-heads{{background:{scheme.page};color:{scheme.ink}}}"
        f".crypto-scroll{{border-color:{scheme.line}}}"
    )


PAGE_STYLE: Final = (
    f"{STYLE}"
    ".crypto-sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),max-content));gap:24px}"
    ".crypto-side{margin:0;min-width:0}"
    ".crypto-side figcaption{margin:0 0 6px}"
    ".crypto-scroll{overflow:auto;width:fit-content;max-width:100%;max-height:85vh;"
    "box-sizing:border-box;border:1px solid;border-radius:4px}"
    ".crypto-grid{display:grid;grid-template-columns:max-content max-content;width:max-content}"
    ".crypto-grid svg,.crypto-key svg{display:block;flex:none}"
    ".crypto-corner{position:sticky;left:0;top:0;z-index:3}"
    ".crypto-columns{position:sticky;top:0;z-index:2}"
    ".crypto-rows{position:sticky;left:0;z-index:1}"
    ".crypto-key{display:flex;flex-wrap:wrap;gap:6px 20px;list-style:none;margin:12px 0;padding:0}"
    ".crypto-key li{display:flex;gap:8px;align-items:center;overflow-wrap:anywhere}"
    "@media (max-width:640px){.crypto-corner,.crypto-rows{width:84px;overflow:hidden}}"
    f"{_scheme_rules(LIGHT)}@media (prefers-color-scheme:dark){{{_scheme_rules(DARK)}}}"
)
"""The rules of all fragments of this module, light and dark."""


def figures(pictures: Sequence[Picture], name: str = "picture") -> Markup:
    """`pictures` side by side, each of which scrolls by itself; `name` is the beginning of their ids in the page."""
    density = density_of(pictures)
    shown = (_figure(one, f"{name}-{one.side}", density) for one in pictures)
    return element("div", *shown, class_="crypto-sides")


def _figure(picture: Picture, name: str, density: Density) -> Markup:
    corner, columns, rows, cells = parts(picture, name, density)
    grid = element(
        "div",
        element("div", corner, class_="crypto-corner crypto-heads"),
        element("div", columns, class_="crypto-columns crypto-heads"),
        element("div", rows, class_="crypto-rows crypto-heads"),
        element("div", cells),
        class_="crypto-grid",
    )
    label = f"{_subject(picture)}: adapters down, domains across"
    return element(
        "figure",
        element("figcaption", element("strong", SIDES[picture.side]), f" {summary(picture)}"),
        element("div", grid, class_="crypto-scroll", role="group", tabindex=0, aria_label=label),
        class_="crypto-side",
    )


def legend(pictures: Sequence[Picture], name: str = "key") -> Markup:
    """Whose initials are which, and what the signs of `pictures` mean; `name` is the beginning of the ids."""
    lists = [key_of_holders(pictures[0]), key_of_signs(pictures, name)]
    return joined(*(_list(keys) for keys in lists if keys))


def _list(keys: Iterable[Key]) -> Markup:
    return element("ul", *(element("li", one.swatch, one.words) for one in keys), class_="crypto-key")


def _subject(picture: Picture) -> str:
    """What `picture` is of, as far as another one on the page may be of something else."""
    words = SIDES[picture.side]
    return f"{cut(picture.host, LONGEST_NAME)}, {words}" if picture.side is Side.MACHINE else words


class Held(NamedTuple):
    """One line of the table: a holder, how it stands, and the rectangles of adapters and domains that it is about."""

    initials: str
    name: str
    state: str
    adapters: IdSet
    domains: IdSet
    others: tuple[str, ...]


def held(picture: Picture) -> Iterator[Held]:
    """All that `picture` shows of its holders, in the order of their names."""
    found: dict[tuple[int, int, str, tuple[str, ...]], dict[int, int]] = {}
    order = {state: place for place, state in enumerate(State)}
    for row in picture.rows:
        for run in row.runs:
            shown = run.shown
            if shown.holder is not None:
                others = [picture.holders[one].name for one in shown.others]
                others += ["the host"] if shown.of_host else []
                words = state_words(shown.state, picture.side, is_there=shown.is_there, changes=shown.changes)
                key = (shown.holder, order[shown.state], words, tuple(others))
                rows = found.setdefault(key, {})
                rows[row.band.first] = rows.get(row.band.first, 0) | picture.domains_of(run).bits
    for (holder, _, words, claimants), rows in sorted(found.items()):
        alike: dict[int, list[int]] = {}
        for adapter, bits in rows.items():
            alike.setdefault(bits, []).append(adapter)
        one = picture.holders[holder]
        for bits, adapters in alike.items():
            yield Held(one.initials, one.name, words, IdSet(adapters), IdSet.from_bits(bits), claimants)


def state_words(state: State, side: Side, *, is_there: bool, changes: bool) -> str:
    """How a queue stands, in a few words."""
    words = [words_of(state, side)]
    if not is_there and state is not State.PENDING:
        words.append("not there yet")
    if changes and side in (Side.BEFORE, Side.AFTER):
        words.append("until this plan changes it" if side is Side.BEFORE else "by this plan")
    return ", ".join(words)


def table(picture: Picture) -> Markup:
    """What `picture` shows, for those who do not see it."""
    lines = list(held(picture))
    is_machine = picture.side is Side.MACHINE
    heads = ["LPAR" if is_machine else "Guest", "Initials", "State", "Adapters", "Domains", "Queues"]
    with_others = any(one.others for one in lines)
    rows = [
        [
            cut(one.name, LONGEST_NAME),
            one.initials,
            one.state,
            str(one.adapters),
            str(one.domains),
            f"{len(one.adapters) * len(one.domains):,}",
            *([_names(one.others)] if with_others else []),
        ]
        for one in lines
    ]
    caption = f"{_subject(picture)}: who has which queues"
    if not rows:
        return element("p", f"{SIDES[picture.side]}: no {'LPAR has' if is_machine else 'guest has or claims'} a queue.")
    also = "Also defined for" if is_machine else "Also claimed by"
    return data_table(caption, [*heads, *([also] if with_others else [])], rows)


def _names(names: Sequence[str]) -> str:
    """`names`, of very many the first ones, since there may be a line for each of thousands of queues."""
    more = len(names) - _MOST_NAMES
    return ", ".join(
        [*(cut(one, LONGEST_NAME) for one in names[:_MOST_NAMES]), *([f"{more} more"] if more > 0 else [])]
    )


_MOST_NAMES: Final = 20


def card_table(picture: Picture) -> Markup:
    """The cards beside the rows of `picture`; nothing where none is known."""
    rows = [
        [str(IdSet(range(one.band.first, one.band.last + 1))), one.card.type, one.card.mode, one.card.state]
        for one in picture.rows
        if one.card.state
    ]
    shown = [[cut(word, LONGEST_NAME) or "-" for word in row] for row in rows]
    return data_table("Cards", ["Adapter", "Type", "Mode", "State"], shown) if rows else Markup()


def data_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table whose first column names its rows."""
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *(element("th", one, scope="col") for one in heads))),
            element("tbody", *(_row(one) for one in rows)),
        ),
        class_="crypto-table",
        role="group",
        tabindex=0,
        aria_label=caption,
    )


def _row(cells: Sequence[str]) -> Markup:
    first, *rest = cells
    return element("tr", element("th", first, scope="row"), *(element("td", one) for one in rest))
