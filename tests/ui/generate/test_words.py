"""The words of a request in the panel: prompts, their weights, tokens, history and styles, LoRAs and sizes."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtWidgets import QLabel

from diffusion_studio.models import cards
from diffusion_studio.models.text.facts import TextFacts
from diffusion_studio.models.text.token_count import Count
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.loras import Lora
from diffusion_studio.settings.prompt_history import PastPrompt
from diffusion_studio.settings.styles import OWN, Style

SIZES = ((512, 512), (768, 512), (512, 768))


@pytest.fixture
def page(window):
    """With a model that is prompted beside the two that are not."""
    text = replace(cards.find("plain"), name="text", title="Text", prompted=True, sizes=SIZES)
    window.page.panel.show_cards([*cards.installed(), text])
    window.page.request.show(GenerationSettings(model="text", guidance=7.5))
    return window.page


@pytest.fixture
def words(page):
    return page.words


def type_in(qtbot, edit, text):
    edit.setFocus()
    qtbot.keyClicks(edit, text)


def test_only_a_model_of_text_has_words_and_sizes(page, words):
    form = page.panel.form
    assert words.isVisibleTo(page) and form.sides.isVisibleTo(page) and page.words.past_action.isEnabled()
    page.request.edit("prompt", "a cat")
    page.request.edit("width", 768)
    page.request.choose_model("plain")
    assert not words.isVisibleTo(page) and not form.sides.isVisibleTo(page)
    value = page.request.value()
    assert (value.prompt, value.width) == ("", 0)  # nothing of it is asked of a model without
    page.request.choose_model("text")
    assert page.request.value().prompt == "a cat" and page.request.value().width == 0


def test_typing_changes_the_request_and_undo_in_the_text_takes_it_back(page, words, qtbot):
    type_in(qtbot, words.prompt.edit, "a cat")
    qtbot.keyClick(words.prompt.edit, Qt.Key.Key_Return)
    qtbot.keyClicks(words.prompt.edit, "by day")
    assert page.request.value().prompt == "a cat\nby day"
    type_in(qtbot, words.negative.edit, "dog")
    assert page.request.value().negative == "dog"
    words.prompt.edit.setFocus()
    qtbot.keyClick(words.prompt.edit, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert page.request.value().prompt != "a cat\nby day" and page.request.value().negative == "dog"
    qtbot.keyClick(words.prompt.edit, Qt.Key.Key_Tab)
    assert words.negative.edit.hasFocus() or not words.prompt.edit.hasFocus()


def test_keys_change_the_weight_of_the_word_at_the_cursor(page, words, qtbot):
    edit = words.prompt.edit
    edit.insertPlainText("👩‍🎨 a cat")
    for _ in range(2):
        qtbot.keyClick(edit, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert page.request.value().prompt == "👩‍🎨 a (cat:1.2)"
    for _ in range(2):
        qtbot.keyClick(edit, Qt.Key.Key_Down, Qt.KeyboardModifier.ControlModifier)
    assert page.request.value().prompt == "👩‍🎨 a cat"
    qtbot.keyClick(edit, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert page.request.value().prompt == "👩‍🎨 a (cat:1.1)"


def test_what_is_pasted_is_plain_text_without_control_characters(page, words):
    data = QMimeData()
    data.setHtml("<b>bold</b><img src='file:///etc/passwd'>")
    data.setText("a\x07b <img src='x'>\r\nc" + "x" * 20_000)
    assert words.prompt.edit.canInsertFromMimeData(data)
    words.prompt.edit.insertFromMimeData(data)
    prompt = page.request.value().prompt
    assert prompt.startswith("a b <img src='x'>\nc") and len(prompt) == 10_000
    assert words.prompt.edit.height() < 300  # it scrolls from some lines on


def test_tokens_are_counted_off_the_windows_thread(page, words, qtbot):
    type_in(qtbot, words.prompt.edit, "a cat")
    qtbot.waitUntil(lambda: words.prompt.counter.text() == "2 / 75", timeout=20_000)
    page.request.edit("prompt", "cat " * 80)
    qtbot.waitUntil(lambda: words.prompt.counter.text() == "80 / 150", timeout=20_000)
    assert "in 2 parts" in words.prompt.counter.accessibleName()


def test_a_prompt_that_is_longer_than_a_model_reads_says_so(page, words, qtbot, tmp_path):
    card = page.request.card
    facts = TextFacts(family="z-image", pipeline="ZImagePipeline", source=tmp_path)
    others = [other for other in cards.installed() if other.name != "text"]
    page.panel.show_cards([*others, replace(card, text=facts)])
    counter = words.prompt.counter
    assert counter.text() == "0 / 512"  # its own limit
    counter.show_count(Count(600, 512, parts=False, template=11))
    assert counter.text() == "600 / 512" and "no more than 512" in counter.accessibleName()
    assert "11 of them are added" in counter.accessibleName()
    page.request.edit("prompt", "a cat")  # there is no tokenizer.json: by the words of CLIP
    qtbot.waitUntil(lambda: counter.text() == "≈ 2 / 512", timeout=20_000)


def test_what_will_not_do_what_was_meant_is_said_under_the_text(page, words):
    page.request.edit("prompt", "a (cat")
    assert "not closed" in words.prompt.remark.text() and words.prompt.remark.isVisibleTo(page)
    page.request.edit("prompt", "a cat")
    assert not words.prompt.remark.isVisibleTo(page)
    page.request.change(negative="dog", guidance=1.0)
    assert "guidance above 1" in words.negative.remark.text()


def test_a_prompt_that_was_generated_with_is_found_again(page, words, draw, qtbot):
    page.request.change(prompt="a <b>cat</b>", negative="dog")
    with qtbot.waitSignal(page.generation.ended, timeout=10_000):
        page.generate()
    qtbot.waitUntil(lambda: words.history.find() == [PastPrompt("a <b>cat</b>", "dog")], timeout=10_000)
    words.history.remember(PastPrompt("a house"))
    page.request.change(prompt="", negative="")
    page.words.past_action.trigger()
    popover = words.popover
    assert [popover.list.item(k).text() for k in range(2)] == ["a house", "a <b>cat</b>"]
    qtbot.keyClicks(popover.search, "cat")
    qtbot.keyClick(popover.search, Qt.Key.Key_Return)
    assert (page.request.value().prompt, page.request.value().negative) == ("a <b>cat</b>", "dog")
    assert not popover.isVisible()
    page._context.undo.undo()
    assert page.request.value().prompt == ""
    words.show_past()
    popover.list.setCurrentRow(0)
    qtbot.keyClick(popover.list, Qt.Key.Key_Delete)
    assert [past.prompt for past in words.history.find()] == ["a <b>cat</b>"]
    page._context.undo.undo()
    assert len(words.history.find()) == 2
    popover.clear.click()
    assert not words.history.find()
    page._context.undo.undo()
    assert len(words.history.find()) == 2


def test_styles_go_around_the_prompt_and_come_off(page, words):
    page.request.change(prompt="a cat", negative="")
    style = OWN["Watercolor"]
    words.style_menu.switch(style)
    assert page.request.value().prompt.startswith("watercolor of a cat")
    words.style_menu.fill()
    ticked = [entry.text() for entry in words.style_menu.menu.actions() if entry.isChecked()]
    assert ticked == ["Watercolor"]
    words.style_menu.switch(style)
    assert (page.request.value().prompt, page.request.value().negative) == ("a cat", "")
    words.style_menu.save("Mine")
    assert words.style_menu.styles.all()["Mine"] == Style("a cat")
    page.request.change(prompt="a dog")
    words.style_menu.save(" Mine ")
    assert words.style_menu.styles.all()["Mine"] == Style("a dog")
    page._context.undo.undo()
    assert words.style_menu.styles.all()["Mine"] == Style("a cat"), "the one that was replaced is back"
    words.style_menu.remove("Mine")
    page._context.undo.undo()
    assert words.style_menu.styles.own() == ["Mine"]


def test_loras_are_added_weighed_and_removed(page, words, qtbot):
    words.loras.add(Lora("ink", "0123456789", 1.0))
    words.loras.add(Lora("<b>x"))
    row = words.loras.rows[0]
    assert row.weight.number.accessibleName() == "Weight of ink"
    row.weight.number.setValue(0.8)
    assert page.request.value().loras == (Lora("ink", "0123456789", 0.8), Lora("<b>x"))
    assert words.loras.rows[0] is row  # it stays under the pointer
    words.loras.rows[1].remove.click()
    assert page.request.value().loras == (Lora("ink", "0123456789", 0.8),)
    page.request.change(loras=())
    assert not words.loras.rows


def test_tags_of_loras_move_to_the_list(page, words):
    page.request.change(prompt="a cat <lora:ink:0.5>, hat")
    assert words.tags.isVisibleTo(page)
    words.tags.click()
    value = page.request.value()
    assert (value.prompt, value.loras) == ("a cat, hat", (Lora("ink", weight=0.5),))
    assert not words.tags.isVisibleTo(page)
    page._context.undo.undo()
    assert page.request.value().loras == ()


def test_sizes_are_chosen_typed_stepped_and_swapped(page, qtbot):
    sides = page.panel.form.sides
    assert (sides.across.text(), sides.across.value()) == ("512", 0)
    sides.menu.actions()[1].trigger()
    assert (page.request.value().width, page.request.value().height) == (768, 0)
    sides.swap.click()
    assert (page.request.value().width, page.request.value().height) == (0, 768)
    sides.across.lineEdit().selectAll()
    qtbot.keyClicks(sides.across, "517")
    qtbot.keyClick(sides.across, Qt.Key.Key_Return)
    assert page.request.value().width == 520
    sides.across.stepBy(1)
    assert page.request.value().width == 576
    for text, side in (("9", 64), ("4090", 4088), ("512", 0)):
        sides.across.lineEdit().setText(text)
        sides.across.interpretText()
        assert page.request.value().width == side


def test_every_control_is_named_and_reached_with_tab(page, words):
    order = page.panel.tab_order()
    for control in (*words.controls, *page.panel.form.sides.controls):
        assert control in order and control.accessibleName(), control
    page.request.change(prompt="<img src=x>", loras=(Lora("<img src=y>"),))
    for label in words.findChildren(QLabel):
        assert label.textFormat() == Qt.TextFormat.PlainText


def test_captions_queue_and_branches_say_the_prompt(page, draw, qtbot):
    from diffusion_studio.ui.generate.generations import difference, setting_words
    from diffusion_studio.ui.generate.queue.jobs_popover import request_words

    page.request.change(prompt="a <b>cat</b>\nat night", seed=7)
    with qtbot.waitSignal(page.generation.ended, timeout=10_000):
        page.generate()
    assert "“a <b>cat</b> at night”" in page.caption.shown.text()
    page.request.change(prompt="a dog", loras=(Lora("ink"),), width=768)
    assert page.caption.differs.text() == "Panel differs: prompt, LoRA, width"
    own = page.request.value()
    assert difference(replace(own, prompt=""), own) == "“a dog”"
    assert setting_words("loras", own.loras) == "LoRA ink 1"

    class Queued:
        settings, state, reason = own, "waiting", ""

    assert request_words(Queued)[0].startswith("“a dog” · Seed ")


def test_presets_hold_the_prompt_only_where_that_is_wanted(page):
    page.request.change(prompt="a cat", loras=(Lora("ink"),), width=768, clip_skip=2, steps=33)
    page.presets.save("plain")
    page.presets.save("whole", words=True)
    plain, whole = page.presets.presets.values("plain"), page.presets.presets.values("whole")
    assert plain["width"] == 768 and plain["clip_skip"] == 2 and "prompt" not in plain
    assert (whole["prompt"], whole["loras"]) == ("a cat", (Lora("ink"),))
    page.request.change(prompt="", loras=(), width=0)
    page.presets.choose("whole")
    assert page.request.value().prompt == "a cat" and page.request.value().loras == (Lora("ink"),)
    page.presets.remove("whole")
    page._context.undo.undo()
    assert page.presets.presets.values("whole")["prompt"] == "a cat"


def test_loras_of_the_folder_are_offered_and_what_is_missing_is_said(
    page, words, qtbot, choose_file, tmp_path
):
    from diffusion_studio.storage.places import loras_dir
    from tests.lora_files import write_lora

    write_lora(loras_dir() / "ink.safetensors")
    words._list_loras()
    qtbot.waitUntil(lambda: bool(words._known), timeout=20_000)
    words.loras.fill()
    words.loras.menu.actions()[0].trigger()
    page.request.change(loras=(*page.request.settings.loras, Lora("gone")))
    faults = [row.fault.text() for row in words.loras.rows]
    assert faults[0] == "" and faults[1].startswith("Not found.")
    assert page.request.value().loras[0].digest == words._known[0].digest
    choose_file(write_lora(tmp_path / "own.safetensors", width=2048))
    words.loras.file_wanted.emit()
    qtbot.waitUntil(lambda: page.request.value().loras[-1].name == "own", timeout=20_000)
