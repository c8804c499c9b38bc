"""The kit of three: a question, a name, a form; the safe answer is the default where it cannot be undone."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QWidget

from diffusion_studio.ui.base import dialogs
from diffusion_studio.ui.base.dialogs import FormDialog, NameDialog, ask_name, ask_number, ask_question

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


@pytest.fixture
def parent(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def answer(monkeypatch):
    def prepare(act):
        def run(dialog):
            act(dialog)
            return QDialog.DialogCode(dialog.result())

        monkeypatch.setattr(FormDialog, "exec", run)

    return prepare


@pytest.mark.parametrize(("danger", "default"), [(False, "accept_button"), (True, "cancel_button")])
def test_return_does_what_can_be_undone(parent, danger, default):
    dialog = FormDialog(parent, "Discard it?", accept="Discard", danger=danger)
    assert getattr(dialog, default).isDefault() and dialog.accept_button.text() == "Discard"
    assert dialog.cancel_button.isDefault() == danger
    dialog.deleteLater()


def test_a_question_is_answered(parent, answer):
    answer(lambda dialog: dialog.accept_button.click())
    assert ask_question(parent, "Discard it?", "It is lost.", accept="Discard", danger=True) is True
    answer(lambda dialog: dialog.cancel_button.click())
    assert ask_question(parent, "Discard it?", accept="Discard") is False


def test_a_name_is_checked_as_it_is_typed(parent, qtbot):
    taken = {"cats": "That name is taken."}
    dialog = NameDialog(
        parent, "Rename", "dogs", accept="Rename", label="Name", check=lambda name: taken.get(name, "")
    )
    assert dialog.field.selectedText() == "dogs" and dialog.accept_button.isEnabled()
    dialog.field.setText(" cats ")
    assert dialog.fault.text() == "That name is taken." and not dialog.accept_button.isEnabled()
    dialog.field.setText("  ")
    assert not dialog.accept_button.isEnabled() and dialog.fault.isHidden()
    dialog.field.setText("birds")
    dialog.show()
    qtbot.keyClick(dialog.field, Qt.Key.Key_Return)
    assert dialog.result() == QDialog.DialogCode.Accepted and dialog.name == "birds"
    dialog.deleteLater()


def test_the_same_name_and_cancel_change_nothing(parent, answer):
    answer(lambda dialog: dialog.accept_button.click())
    assert ask_name(parent, "Rename", "dogs", accept="Rename", label="Name") is None

    def type_and(button):
        def act(dialog):
            dialog.field.setText(" cats ")
            getattr(dialog, button).click()

        return act

    answer(type_and("accept_button"))
    assert ask_name(parent, "Rename", "dogs", accept="Rename", label="Name") == "cats"
    answer(type_and("cancel_button"))
    assert ask_name(parent, "Rename", "dogs", accept="Rename", label="Name") is None


def test_a_number_stays_in_its_range(parent, answer):
    def act(dialog):
        dialog.findChild(dialogs.QDoubleSpinBox).setValue(500)
        dialog.accept_button.click()

    answer(act)
    assert ask_number(parent, "Train longer", 5, accept="Train", label="Minutes", low=0.1, high=60) == 60


def test_words_that_appear_make_it_taller(parent, qtbot):
    dialog = FormDialog(parent, "Rename", accept="Rename")
    dialog.show()
    qtbot.waitExposed(dialog)
    before = dialog.height()
    dialog.show_fault("That name is taken by another model, of which there is only one. " * 4)
    qtbot.waitUntil(lambda: dialog.height() > before)
    qtbot.waitUntil(lambda: dialog.fault.height() >= dialog.fault.heightForWidth(dialog.fault.width()))
    dialog.close()
    dialog.deleteLater()
