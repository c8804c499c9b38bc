"""Foreign text in every widget, tooltip, message box and item view: as it is, never as markup, never out of its line."""

import json
import re
from types import SimpleNamespace

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QApplication, QDialog, QLabel, QWidget

from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.ui.base import file_dialogs
from diffusion_studio.ui.base.dialogs import FormDialog, ask_name, ask_number
from diffusion_studio.ui.base.requests import ShowModel
from diffusion_studio.ui.look.labels import ElidedLabel, Line, plain_label
from diffusion_studio.ui.look.texts import UNSEEN, action_text, escaped, readable_text, title_text, tooltip
from diffusion_studio.ui.train import questions
from diffusion_studio.ui.window import leaving
from tests.ui.conftest import install_model

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")

MARK = "HOSTILE"
HOSTILE = f"<img src='file:///etc/hostname'><b>{MARK}</b> &amp; A & B\x1b[31m\u202egnp.exe\u2066"
ALLOWED = re.compile(r"<qt>|</qt>|<br>")


def faults(widget):
    """What is wrong with one widget, and with the actions and items in it."""
    where = f"{type(widget).__name__} {widget.objectName()!r}"
    if isinstance(widget, QLabel):
        plain = widget.textFormat() == Qt.TextFormat.PlainText
        if widget.text() and not plain and MARK in widget.text():
            yield f"{where} shows markup: {widget.text()!r}"
        yield from unseen(where, widget.text())
    for name, text in (("tooltip", widget.toolTip()), ("what's this", widget.whatsThis())):
        yield from rich(f"{where} {name}", text)
    yield from unseen(f"{where} title", widget.windowTitle().replace("\n", "\0"))
    if (
        isinstance(widget, QAbstractButton)
        and MARK in widget.text()
        and re.search("[^&]&[^&]", widget.text())
    ):
        yield f"{where} underlines a letter: {widget.text()!r}"
    for action in widget.actions():
        yield from rich(f"{where} action", action.toolTip() if action.toolTip() != action.text() else "")
        if MARK in action.text() and re.search("[^&]&[^&]", action.text()):
            yield f"{where} action underlines a letter: {action.text()!r}"
    if isinstance(widget, QAbstractItemView) and widget.model() is not None:
        for row in range(widget.model().rowCount(QModelIndex())):
            index = widget.model().index(row, 0)
            yield from rich(f"{where} row {row}", str(index.data(Qt.ItemDataRole.ToolTipRole) or ""))
            yield from unseen(f"{where} row {row}", str(index.data(Qt.ItemDataRole.DisplayRole) or ""))


def rich(where, text):
    """A tooltip with foreign text is escaped; one without that might be taken for markup is too."""
    if re.search("<[a-zA-Z/!]", text) or MARK in text:
        if not text.startswith("<qt>") or "<" in ALLOWED.sub("", text):
            yield f"{where} is markup: {text!r}"
        yield from unseen(where, text)


def unseen(where, text):
    if UNSEEN.search(text.replace("\n", "")):
        yield f"{where} holds what cannot be seen: {text!r}"


def check(*roots):
    found = [
        fault for root in roots for widget in (root, *root.findChildren(QWidget)) for fault in faults(widget)
    ]
    for root in roots:
        for action in root.findChildren(QAction):
            found += unseen("action", action.text())
    assert found == [], "\n".join(found)
    return [w for root in roots for w in (root, *root.findChildren(QWidget)) if MARK in shown(w)]


def shown(widget):
    texts = [widget.toolTip(), widget.windowTitle(), widget.accessibleName(), widget.accessibleDescription()]
    if isinstance(widget, QLabel | QAbstractButton):
        texts.append(widget.text())
    return " ".join(texts)


@pytest.fixture
def hostile_models(own_folders, models):
    """A model, its classes and all its card says are hostile; so is a run."""
    install_model(own_folders, "hostile", title=HOSTILE, classes=[HOSTILE, HOSTILE + "2"], null_class=2,
                  description=HOSTILE, licence=HOSTILE, recommended={"steps": 4})  # fmt: skip
    run = own_folders / "runs" / "one"
    run.mkdir(parents=True)
    facts = {
        "settings": {"name": HOSTILE, "folder": f"/{HOSTILE}"},
        "state": "stopped",
        "step": 5,
        "seconds": 3.0,
    }
    (run / "run.json").write_text(json.dumps(facts))
    (own_folders / "outputs").mkdir(exist_ok=True)


def test_every_page_shows_foreign_text_as_it_is(hostile_models, window, qtbot):
    window.page.request.show(GenerationSettings(model="hostile"))
    window.show_fault(f"{HOSTILE} cannot be opened.", HOSTILE)
    window.context.show_status(HOSTILE)
    for number in range(len(window.contents.entries)):
        window.contents.visit(number)
        qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()), timeout=20_000)
        check(window)
    window.context.go_to("models", ShowModel("hostile"))
    qtbot.waitUntil(lambda: not any(worker.busy for worker in window.workers()), timeout=20_000)
    assert check(window), "no widget shows the foreign text, so nothing was tried"
    check(*(widget for widget in QApplication.topLevelWidgets() if widget is not window))


@pytest.mark.parametrize(
    "ask",
    [
        lambda parent: questions.may_discard(parent, HOSTILE),
        lambda parent: leaving.may_lose(parent, HOSTILE),
        lambda parent: ask_name(parent, HOSTILE, HOSTILE, accept="Rename", label="Name"),
        lambda parent: ask_number(parent, HOSTILE, 1, accept="OK", label="Minutes", low=0, high=2),
        lambda parent: file_dialogs.may_replace(parent, SimpleNamespace(name=HOSTILE)),
    ],
)
def test_message_boxes_show_foreign_text_as_it_is(qtbot, monkeypatch, ask):
    parent = QWidget()
    qtbot.addWidget(parent)
    seen = []

    def answer(box):
        seen.append(box)
        check(box)
        return QDialog.DialogCode.Rejected

    monkeypatch.setattr(FormDialog, "exec", answer)
    assert not ask(parent)
    assert len(seen) == 1


@pytest.mark.parametrize("make", [plain_label, ElidedLabel, lambda text: with_text(Line(), text)])
def test_labels_show_foreign_text_as_it_is(qtbot, make):
    label = make("")
    qtbot.addWidget(label)
    label.setText(HOSTILE)
    assert check(label) and "<img" in label.text()


def with_text(label, text):
    label.setText(text)
    return label


def test_texts():
    assert tooltip("") == "" and tooltip("a<b\nc & d") == "<qt>a&lt;b<br>c &amp; d</qt>"
    assert escaped("\u202e") == "<qt>\ufffd</qt>" and readable_text("a\r\nb\tc\x00") == "a\nb c\ufffd"
    assert action_text("A & B\n") == "A && B " and "\n" not in title_text("a\nb")
    assert readable_text("\udcff") == "?"
