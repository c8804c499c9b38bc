"""Where the cells of a long list of images are: groups under headings, in rows; found without looking at all of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRect

HEADING = 40  # pixels
MARGIN = 16
GAP = 8


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    first: int  # place of its first image in the list
    count: int
    top: int  # of its heading


class GalleryLayout:
    """`runs`: headings, "" for none, and how many images are under each; `cell`: pixels a cell is wide at least."""

    def __init__(self, runs: Sequence[tuple[str, int]], width: int, cell: int) -> None:
        self.columns = max(1, (width - 2 * MARGIN + GAP) // (cell + GAP))
        self.cell = cell = max(
            cell, (width - 2 * MARGIN + GAP) // self.columns - GAP
        )  # the rows fill the width
        self.groups: list[Group] = []
        self.count = sum(count for _, count in runs)
        top, first = MARGIN // 2, 0
        if runs and not runs[0][0]:
            top += HEADING  # as free as a heading: a bar floats there
        for name, count in runs:
            self.groups.append(Group(name, first, count, top))
            top += self._heading(name) + self._rows(count) * (cell + GAP) + GAP
            first += count
        self.height = top + MARGIN

    def rect(self, index: int) -> QRect:
        """The cell of an image."""
        group = self.groups[bisect_right(self.groups, index, key=lambda group: group.first) - 1]
        row, column = divmod(index - group.first, self.columns)
        top = group.top + self._heading(group.name) + row * (self.cell + GAP)
        return QRect(MARGIN + column * (self.cell + GAP), top, self.cell, self.cell)

    def at(self, x: int, y: int) -> int | None:
        """The image at a place, if any."""
        group = self._group_at(y)
        if group is None:
            return None
        inside = y - group.top - self._heading(group.name)
        if inside < 0 or x < MARGIN:
            return None
        row, column = inside // (self.cell + GAP), (x - MARGIN) // (self.cell + GAP)
        index = row * self.columns + column
        if column >= self.columns or index >= group.count:
            return None
        found = group.first + index
        return found if self.rect(found).contains(x, y) else None

    def visible(self, top: int, bottom: int) -> range:
        """The images whose rows meet a stretch."""
        if not self.groups:
            return range(0)
        return range(self._first_from(top), min(self._first_from(bottom) + self.columns, self.count))

    def headings(self, top: int, bottom: int) -> list[Group]:
        begin = max(bisect_right(self.groups, top, key=lambda group: group.top) - 1, 0)
        end = bisect_right(self.groups, bottom, key=lambda group: group.top)
        return [group for group in self.groups[begin:end] if group.name]

    def beside(self, index: int, dx: int, dy: int) -> int:
        """The image next to one, in reading order sideways; up and down the one nearest in the row there."""
        if dx:
            return min(max(index + dx, 0), self.count - 1)
        here = self.rect(index)
        y = here.center().y()
        for _ in range(4):  # across a heading and a short last row
            y += dy * (self.cell + GAP) // 2 + dy * HEADING // 2
            if not 0 <= y < self.height:
                break
            places = [
                other
                for other in self.visible(y - HEADING, y + HEADING)
                if (self.rect(other).top() - here.top()) * dy > 0
            ]
            if places:
                nearest = min(abs(self.rect(other).top() - here.top()) for other in places)
                row = [o for o in places if abs(self.rect(o).top() - here.top()) == nearest]
                return min(row, key=lambda other: abs(self.rect(other).left() - here.left()))
        return index

    def _first_from(self, y: int) -> int:
        group = self._group_at(y) or self.groups[-1]
        inside = max(0, y - group.top - self._heading(group.name))
        return group.first + min(inside // (self.cell + GAP) * self.columns, max(group.count - 1, 0))

    def _group_at(self, y: int) -> Group | None:
        place = bisect_right(self.groups, y, key=lambda group: group.top) - 1
        return self.groups[max(place, 0)] if self.groups else None

    def _rows(self, count: int) -> int:
        return -(-count // self.columns)

    @staticmethod
    def _heading(name: str) -> int:
        return HEADING if name else 0
