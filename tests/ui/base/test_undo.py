"""The undo stack of the window, without the window."""

import pytest

from diffusion_studio.ui.base.undo import LIMIT, Change, UndoStack


@pytest.fixture
def stack(qapp):
    return UndoStack()


def push(stack, log, text, *, again=True):
    undo, redo = (lambda: log.append(f"undo {text}")), (lambda: log.append(f"redo {text}"))
    return stack.push(Change(text, undo, redo if again else None))


def test_changes_are_undone_and_redone_in_their_order(stack):
    log = []
    push(stack, log, "a")
    push(stack, log, "b")
    assert (stack.undo_text, stack.redo_text) == ("b", "")
    stack.undo()
    stack.undo()
    assert (stack.undo_text, stack.redo_text) == ("", "a")
    stack.undo()  # nothing is left
    stack.redo()
    stack.redo()
    stack.redo()
    assert log == ["undo b", "undo a", "redo a", "redo b"]


def test_a_new_change_ends_what_could_be_redone(stack):
    log = []
    push(stack, log, "a")
    stack.undo()
    push(stack, log, "b")
    assert stack.redo_text == ""


def test_what_cannot_be_redone_is_not_offered(stack):
    log = []
    push(stack, log, "a")
    push(stack, log, "b", again=False)
    stack.undo()
    assert (stack.undo_text, stack.redo_text) == ("a", "")


def test_one_is_taken_back_out_of_turn_and_only_once(stack):
    log = []
    first = push(stack, log, "a")
    push(stack, log, "b")
    stack.take_back(first)
    stack.take_back(first)
    assert log == ["undo a"] and stack.undo_text == "b"
    stack.undo()
    assert stack.undo_text == "" and log == ["undo a", "undo b"]


def test_it_does_not_grow_without_end(stack):
    for number in range(LIMIT + 5):
        push(stack, [], str(number))
    for _ in range(LIMIT):
        stack.undo()
    assert stack.undo_text == ""


def test_the_tool_in_hand_comes_first(stack):
    class Brush:
        undo_text, redo_text = "stroke", ""
        undone = 0

        def undo(self):
            self.undone += 1

        def redo(self):
            raise AssertionError

    log, brush = [], Brush()
    push(stack, log, "a")
    stack.take_in_hand(brush)
    assert (stack.undo_text, stack.redo_text) == ("stroke", "")
    stack.undo()
    assert brush.undone == 1 and not log
    stack.take_in_hand(None)
    stack.undo()
    assert log == ["undo a"]
