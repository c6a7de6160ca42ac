"""Go-live report -> one HTML file: no script, nothing fetched, light and dark, and a first page when printed."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Final, assert_never

from tocsin.learning.report.figures import Figure
from tocsin.learning.report.svg import svg
from tocsin.learning.report.types import Block, Facts, GoLive, Lines, Paragraph, Section, Table
from tocsin.words.catalogue import catalogue, to_say

PICTURES: Final = to_say("Patients' pictures.")
WARNING: Final = to_say(
    "This file holds pictures of patients. Whoever opens it sees them: keep it where the record is kept, and send it to nobody who may not "
    "see them."
)
MISSED: Final = to_say("Malignant pictures that were not flagged")
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that a report shows."""

    jpeg: bytes
    width_px: int
    height_px: int
    said: str
    """What stands below it."""


def html(report: GoLive, missed: Sequence[Shown] = ()) -> str:
    """The file's text. Patients' pictures are in it only where they are given, and then it says so first."""
    style = files("tocsin.learning.report").joinpath("page.css").read_text(encoding="utf-8")
    body = "".join(
        (*_first(report, bool(missed)), *(_section(each, number) for number, each in enumerate(report.sections)), *_missed(report, missed))
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(report.language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(report.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _first(report: GoLive, pictures: bool) -> Iterator[str]:
    say = catalogue(report.language).say
    yield '<section class="first">\n'
    if pictures:
        yield f'<p class="warning"><strong>{escape(say(PICTURES))}</strong> {escape(say(WARNING))}</p>\n'
    yield f'<h1>{escape(report.title)}</h1>\n<p class="quiet">{escape(report.subtitle)}</p>\n'
    yield f'<p class="verdict {"shown" if report.shown else "open"}">{escape(report.verdict)}</p>\n'
    yield f'<ol class="answer">{"".join(f"<li>{escape(each)}</li>" for each in report.answer)}</ol>\n'
    numbers = (
        f"<div><dt>{escape(each.name)}</dt><dd><strong>{escape(each.value)}</strong> <span>{escape(each.interval)}</span></dd></div>"
        for each in report.numbers
    )
    yield f'<dl class="numbers">{"".join(numbers)}</dl>\n' if report.numbers else ""
    yield "</section>\n"


def _section(section: Section, number: int) -> str:
    blocks = "".join(_block(each) for each in section.blocks)
    return f'<section aria-labelledby="part-{number}">\n<h2 id="part-{number}">{escape(section.heading)}</h2>\n{blocks}</section>\n'


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return f"<p>{escape(block.text)}</p>\n"
        case Lines():
            return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in block.items)}</ul>\n"
        case Facts():
            return f'<dl class="facts">{"".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in block.rows)}</dl>\n'
        case Table():
            return _table(block)
        case Figure():
            return (
                f"<figure>{svg(block)}<figcaption><strong>{escape(block.title)}.</strong> {escape(block.caption)}</figcaption></figure>\n"
            )
        case _:
            assert_never(block)


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' if each else "<td></td>" for each in table.heading)
    rows = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(each)}</td>" for each in rest)}</tr>'
        for first, *rest in table.rows
    )
    caption = escape(table.caption)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{caption}"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )


def _missed(report: GoLive, missed: Sequence[Shown]) -> Iterator[str]:
    if not missed:
        return
    pictures = (
        f'<figure><img src="data:image/jpeg;base64,{base64.b64encode(each.jpeg).decode("ascii")}" width="{each.width_px}" '
        f'height="{each.height_px}" alt="{escape(each.said)}"><figcaption>{escape(each.said)}</figcaption></figure>'
        for each in missed
    )
    yield (
        f'<section class="missed" aria-labelledby="missed"><h2 id="missed">{escape(catalogue(report.language).say(MISSED))}</h2>'
        f'<div class="pictures">{"".join(pictures)}</div></section>\n'
    )
