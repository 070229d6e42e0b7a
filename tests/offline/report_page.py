"""Reads a report back as a person would: its tables by id, its text, and everything it refers to."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """``tables``: id -> {data-measure (and side): cells}; ``references``: every address of an element."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self._tables: dict[str, dict[str, list[str]]] = {}
        self._table = ""
        self._row: list[str] | None = None
        self._cell = False
        self._text: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.references += [v for k, v in attrs if k in ("src", "href", "xlink:href", "action", "data") and v]
        if tag == "table":
            self._table = given.get("id") or ""
            self._tables.setdefault(self._table, {})
        if tag == "tr" and self._table:
            key = " ".join(filter(None, (given.get("data-measure"), given.get("data-side"))))
            self._row = []
            if key:
                self._tables[self._table][key] = self._row
        if tag in ("td", "th") and self._row is not None:
            self._cell = True
            self._row.append("")
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False
        if tag == "tr":
            self._row = None
        if tag == "style":
            self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            return
        self._text.append(data)
        if self._cell and self._row:
            self._row[-1] += data

    def table(self, name: str) -> dict[str, list[str]]:
        return {key: [" ".join(cell.split()) for cell in row] for key, row in self._tables[name].items()}

    def has_table(self, name: str) -> bool:
        return name in self._tables

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._text).split())


def read_page(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page
