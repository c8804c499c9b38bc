"""The scenes of `every_screen.py`: each brings the window into a state and takes its picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from every_screen import Studio


# --- nothing is there yet ---


def empty_pages(studio: Studio) -> None:
    for name in ("generate", "train", "gallery", "models"):
        studio.visit(name)
        studio.shoot(f"{name}-empty")
    studio.visit("train").show_step(1)
    studio.shoot("train-recipe-empty")
    studio.visit("train").show_step(2)
    studio.shoot("train-run-empty")
    studio.visit("train").show_step(3)
    studio.shoot("train-runs-empty")


def tour(studio: Studio) -> None:
    studio.visit("generate")
    studio.window._show_tour()
    studio.rest()
    studio.shoot("tour")
    studio.window._tour.end()


# --- in use ---


def generate_done(studio: Studio) -> None:
    page = studio.visit("generate")
    page.request.lock_seed(7)
    studio.generate(steps=20, count=4)
    studio.shoot("generate-done")
    page.canvas.select(1)
    studio.rest()
    studio.shoot("generate-selected")


def generate_advanced(studio: Studio) -> None:
    page = studio.visit("generate")
    page.panel.form.open(["result", "quality", "advanced"])
    studio.rest()
    studio.shoot("generate-advanced")


def generate_compare(studio: Studio) -> None:
    page = studio.visit("generate")
    page.compare.action.setChecked(True)
    page.request.change(steps=6)
    page.generate()
    studio.until(lambda: not page.compare.running)
    studio.shoot("generate-compare")
    page.compare.action.setChecked(False)


def generate_busy(studio: Studio) -> None:
    page = studio.visit("generate")
    page.request.change(steps=300, count=9)
    page.generate()
    studio.until(lambda: page.generation.step[0] > 30)
    page.steering.toggle_pause()
    studio.rest(1.0)
    page._show_jobs()
    studio.shoot("generate-busy")
    page.jobs.hide()
    page.steering.toggle_pause()
    page.stop()
    studio.rest()
    studio.shoot("generate-stopped")
    page.steering.discard()
    studio.rest()


def generate_failed(studio: Studio) -> None:
    page = studio.visit("generate")
    studio.window.context.show_fault(
        "The model “Sprites” cannot be opened: its weights end after 16 of 2,411,004 bytes.",
        "unet/diffusion_pytorch_model.safetensors",
        action="Show model",
        do=lambda: None,
    )
    studio.window.context.show_notice("9 images moved to trash.", action="Undo", do=lambda: None)
    assert page is not None
    studio.shoot("generate-failed")
    studio.window.contents.banner.dismiss()
    studio.window.contents.toasts.clear()


def generate_long_names(studio: Studio) -> None:
    from seeded_home import LONG, PRESET

    page = studio.visit("generate")
    long = next(card for card in _cards() if card.title.startswith(LONG[:20]))
    page.request.choose_model(long.name)
    page.presets.choose(PRESET)
    studio.shoot("generate-long")
    page.request.choose_model(_cards()[0].name)


def generate_prompt(studio: Studio) -> None:
    from diffusion_studio.settings.loras import Lora

    page = studio.visit("generate")
    words = "a portrait of a (woman:1.2) with short hair, soft light, <lora:soft-ink:0.8>"
    page.request.choose_model("tiny-sd")
    page.request.change(
        prompt=words, negative="blurry, text", loras=(Lora("soft-ink", weight=0.8), Lora("grain", weight=0.3))
    )
    studio.rest(1.5)
    studio.shoot("generate-prompt")
    page.request.change(prompt="", negative="", loras=())
    page.request.choose_model(_cards()[0].name)


def generate_transparent(studio: Studio) -> None:
    page = studio.visit("generate")
    page.request.choose_model("round-sprites")
    page.request.lock_seed(7)
    studio.generate(steps=8, count=4)
    studio.shoot("generate-transparent")
    page.request.choose_model(_cards()[0].name)


def train_images(studio: Studio) -> None:
    from diffusion_studio.storage.places import resource

    page = studio.visit("train")
    page.open_folder(resource("samples/pixel-avatars"))
    studio.until(lambda: page.images.stack.currentWidget() is page.images._found)
    studio.rest(1.5)
    studio.shoot("train-images")
    page.show_step(1)
    studio.rest(2.0)
    studio.shoot("train-recipe")


def train_busy(studio: Studio) -> None:
    page = studio.visit("train")
    if page.images.folder is None:
        train_images(studio)
    page.recipe.show_value(replace(page.forecast.settings, size=16, batch=4, sample_every=5.0))
    page.train()
    studio.until(lambda: page.run_view._log and page.run_view._log[-1]["step"] >= 8)
    page._toggle_pause()
    studio.until(lambda: page.session.state == "paused")
    studio.rest(1.0)
    studio.shoot("train-paused")
    page._toggle_pause()
    studio.rest(0.5)
    studio.shoot("train-busy")
    page.session.stop()
    studio.until(lambda: not page.session.running)
    studio.rest()
    studio.shoot("train-stopped")


def train_runs(studio: Studio) -> None:
    page = studio.visit("train")
    page.show_step(3)
    studio.rest(1.0)
    studio.shoot("train-runs")
    page._show_row(page.runs.row("pixel-people"))
    studio.rest(1.0)
    studio.shoot("train-short")


def train_failed(studio: Studio) -> None:
    page = studio.visit("train")
    page._show_row(page.runs.row(_stopped_run()))
    studio.rest()
    sentence = "The disk is full: a checkpoint needs 96 MB, and 12 MB are free."
    page.shown.show_outcome(page.shown.row, sentence)
    studio.window.context.show_fault(sentence)
    studio.rest()
    studio.shoot("train-failed")


def train_copies(studio: Studio) -> None:
    page = studio.visit("train")
    page._show_row(page.runs.row("round-sprites"))
    studio.rest()
    chart = page.run_view.chart
    for step, ratio in ((8, 1.62), (16, 1.31), (24, 1.14), (32, 1.03), (40, 0.97), (48, 0.94), (56, 0.86)):
        chart.add_ratio(step, ratio)
    chart.by_copies.setChecked(True)
    studio.shoot("train-copies")
    chart.by_copies.setChecked(False)


def _stopped_run() -> str:
    from seeded_home import LONG

    from diffusion_studio.training.records.runs import list_runs

    start = LONG.replace(" ", "-").lower()[:20]
    return next(run.name for run in list_runs() if run.name.startswith(start))


def fast(studio: Studio) -> None:
    """A model that was made fast, and Live with its teacher."""
    from seeded_home import FAST

    models = studio.visit("models")
    models.refresh(next(card.name for card in _cards() if card.title == FAST))
    studio.rest()
    studio.shoot("models-fast")
    page = studio.visit("generate")
    page.request.choose_model(next(card.name for card in _cards() if card.title == FAST))
    studio.generate(count=1)
    studio.shoot("generate-fast")
    page.request.choose_model(_cards()[0].name)


def gallery(studio: Studio) -> None:
    page = studio.visit("gallery")
    studio.until(lambda: page.grid.entries and not page.collection.lister.busy)
    studio.rest(1.0)
    studio.shoot("gallery")
    page.grid.select(5)
    studio.rest()
    studio.shoot("gallery-selected")
    for place in (0, 1, 2, 3):
        page.grid.selection.select(place, add=True)
    studio.rest()
    studio.shoot("gallery-several")
    page.grid.selection.clear()
    page.head.search.setText("seed:99999999")
    studio.rest(1.0)
    studio.shoot("gallery-no-results")
    from seeded_home import LONG

    page.head.search.setText(f'album:"{LONG[:50].strip()}"')
    studio.rest(1.0)
    page.grid.select(0)
    studio.shoot("gallery-long")
    page.head.search.setText("")


def trash(studio: Studio) -> None:
    page = studio.visit("gallery")
    studio.until(lambda: page.grid.entries)
    page.grid.select(3)
    page._delete()
    studio.rest()
    studio.window.context.trash_wanted.emit()
    studio.rest()
    studio.shoot("trash")
    close_dialog(studio)


def models(studio: Studio) -> None:
    from seeded_home import LONG

    page = studio.visit("models")
    studio.rest(1.0)
    studio.shoot("models")
    name = next(card.name for card in _cards() if card.title.startswith(LONG[:20]))
    page.refresh(name)
    studio.rest()
    studio.shoot("models-long")


def models_dialogs(studio: Studio) -> None:
    page = studio.visit("models")
    page.ask_import()
    studio.rest(1.0)
    studio.shoot("models-import")
    close_dialog(studio)
    page.do("export")
    studio.rest()
    studio.shoot("models-export")
    close_dialog(studio)


def settings(studio: Studio) -> None:
    page = studio.visit("settings")
    for place in range(6):
        page.show_category(place)
        studio.rest()
        studio.shoot(f"settings-{place + 1}")


def palette(studio: Studio) -> None:
    studio.visit("generate")
    studio.window.menus._show_palette()
    studio.rest()
    studio.shoot("palette")
    close_dialog(studio)
    studio.window.menus._show_shortcuts()
    studio.rest()
    studio.shoot("shortcuts")
    close_dialog(studio)


def films(studio: Studio) -> None:
    page = studio.visit("generate")
    page.request.lock_seed(7)
    studio.generate(steps=12, count=1)
    for open_dialog, name in ((page.films._export, "film"), (page.films._morph, "morph")):
        open_dialog()
        studio.rest(1.5)
        studio.shoot(name)
        close_dialog(studio)


def close_dialog(studio: Studio) -> None:
    from PySide6.QtWidgets import QDialog

    for other in studio.application.topLevelWidgets():
        if isinstance(other, QDialog) and other.isVisible():
            other.reject()
    studio.rest()


def _cards() -> list[Any]:
    from diffusion_studio.models import cards

    return list(cards.installed())


EMPTY = (empty_pages, tour)
FULL = (
    *(generate_done, generate_advanced, generate_compare, generate_long_names, films, generate_busy),
    *(
        generate_prompt,
        generate_transparent,
        generate_failed,
        train_images,
        train_busy,
        train_runs,
        train_failed,
        train_copies,
        gallery,
        trash,
    ),
    *(fast, models, models_dialogs, settings, palette),
)


FULLEST = (
    generate_done,
    generate_advanced,
    generate_busy,
    generate_prompt,
    train_images,
    train_busy,
    gallery,
)
