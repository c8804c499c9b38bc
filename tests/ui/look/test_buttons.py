"""Return presses the button that has the focus, in a dialog and in the window, and nothing else."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog

from diffusion_studio.ui.base.dialogs import FormDialog
from diffusion_studio.ui.look.buttons import push_button, text_button
from diffusion_studio.ui.look.icons import IconButton
from diffusion_studio.ui.widgets.action_button import ActionButton

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints", "event not accepted")


@pytest.mark.parametrize(
    "make",
    [
        lambda: push_button("Save", "Save it"),
        lambda: text_button("Save", "Save it"),
        lambda: ActionButton("Save", "Save it"),
        lambda: IconButton("save", "Save", "save it"),
    ],
)
def test_return_and_enter_press_it_and_only_without_modifiers(make, qtbot):
    button, presses = make(), []
    qtbot.addWidget(button)
    button.show()
    button.clicked.connect(lambda: presses.append(True))
    qtbot.keyClick(button, Qt.Key.Key_Return)
    qtbot.keyClick(button, Qt.Key.Key_Enter, Qt.KeyboardModifier.KeypadModifier)
    assert len(presses) == 2
    qtbot.keyClick(button, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)  # is Generate's
    button.setEnabled(False)
    qtbot.keyClick(button, Qt.Key.Key_Return)
    assert len(presses) == 2


def test_return_on_cancel_cancels_whatever_the_default_is(qtbot):
    dialog = FormDialog(None, "Rename it?", accept="Rename")
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.accept_button.isDefault()
    qtbot.keyClick(dialog.cancel_button, Qt.Key.Key_Return)
    assert not dialog.isVisible() and dialog.result() == QDialog.DialogCode.Rejected
