"""Whoever orders machines by deploy/capacity.md orders what its formulas say."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = (Path(__file__).resolve().parents[2] / "deploy" / "capacity.md").read_text("utf-8")
PROJECTED: Final = PAGE.partition("\n## 1,000 and 10,000 events a second\n")[2].partition("\n## ")[0]
RATES: Final = (1000.0, 10_000.0)
UNITS: Final = {"ms": 1e-3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "Gbit": 1e9, "TB": 1e12, "PB": 1e15}
COUNTED: Final = {"cores for `consume`": "cores", "processes": "processes", "machines of 16 cores": "machines"}
"""Rows that other rows' formulas name."""
NOT_RECKONED: Final = {"Redis"}
NUMBER: Final = re.compile(r"(\d+(?:,\d{3})*(?:\.\d+)?(?:e\d+)?)(?: (ms|KB|MB|GB|Gbit|TB|PB))?")


def rows() -> dict[str, tuple[str, tuple[str, str]]]:
    """Row -> its formulas, and its cells at either rate."""
    cells = ([each.strip() for each in line.strip("|").split("|")] for line in PROJECTED.splitlines() if line.startswith("| "))
    return {name.replace("**", ""): (formula, (first, second)) for name, formula, first, second in list(cells)[1:]}


def value(formula: str, names: Mapping[str, float]) -> float:
    """What a formula of sums, products and `max` comes to."""
    plain = NUMBER.sub(lambda found: repr(float(found[1].replace(",", "")) * UNITS.get(found[2], 1.0)), formula)

    def of(node: ast.AST) -> float:
        match node:
            case ast.Constant(value=float(number)):
                return number
            case ast.Name(id=name):
                return names[name]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return of(left) + of(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return of(left) * of(right)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return of(left) / of(right)
            case ast.Call(func=ast.Name(id="max"), args=args):
                return max(map(of, args))
        raise ValueError(f"{formula}: {ast.dump(node)}")

    return of(ast.parse(plain, mode="eval").body)


def names(rate: float) -> dict[str, float]:
    """What formulas may name: the assumptions that the page states, and the rows above, rounded up."""
    stated = {name: value(told, {}) for name, told in re.findall(r"`([cupn])` = ([\d.]+(?: ms| KB)?)", PROJECTED)}
    assert sorted(stated) == ["c", "n", "p", "u"]
    known = {**stated, "R": rate, "A": rate / 3}
    for row, name in COUNTED.items():
        known[name] = math.ceil(value(rows()[row][0].strip("`"), known))
    return known


def told(cell: str) -> list[tuple[float, float]]:
    """Each number of a cell, and its unit."""
    return [(float(number.replace(",", "")), UNITS.get(unit, 1.0)) for number, unit in NUMBER.findall(cell)]


def rounded(number: float, reckoned: float) -> bool:
    """Whether the number is what was reckoned, to as many places as it has, or the next whole one."""
    places = 0 if number.is_integer() else 1
    return number in (round(reckoned, places), math.ceil(reckoned - 1e-9))


@pytest.mark.parametrize("row", sorted(rows().keys() - NOT_RECKONED))
def test_each_cell_is_what_its_formula_comes_to(row: str) -> None:
    formulas, cells = rows()[row]
    for rate, cell in zip(RATES, cells, strict=True):
        reckoned = [value(each, names(rate)) for each in re.findall("`([^`]+)`", formulas)]
        stated = told(cell)
        assert len(stated) == len(reckoned) > 0, (formulas, cell)
        assert all(rounded(number, each / unit) for (number, unit), each in zip(stated, reckoned, strict=True)), (cell, reckoned)


def test_a_fleet_that_is_not_full_is_reckoned_by_an_event_of_a_process_that_is_not_full() -> None:
    (measured,) = re.findall(r"`c` = (\d+ ms) at 20 events a second", PAGE.partition("\n## What more processes bring\n")[0])
    assert names(1.0)["c"] == value(measured, {})


def test_no_machine_has_more_processes_than_the_page_allows() -> None:
    assert 10 <= 16 * 2 / 3 < 11
    for rate in RATES:
        assert names(rate)["processes"] <= 10 * names(rate)["machines"]
