"""Fills a home folder as after some weeks of use: images of several days, albums, presets, models, a queue, and runs.

`LONG` names are as long as they may be, so that a picture of the window shows what becomes of them.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

LONG = "An exceptionally long name that nobody would type but that a file from somewhere else may well bring along"
FAST = "Pixel Avatars 32 fast"
PRESET = "Soft portraits, many steps, little guidance, eta a half, x2"
DAYS = (40, 9, 3, 1, 0, 0, 0)  # before today, of each batch of images


def fill() -> None:
    """Fill the home that DIFFUSION_STUDIO_HOME names; takes some minutes of a processor."""
    fill_models()
    fill_images()
    fill_runs()
    fill_transparent()
    fill_prompted()
    fill_lists()


def fill_images() -> None:
    from diffusion_studio.jobs.generate import generate
    from diffusion_studio.models import cards
    from diffusion_studio.settings.generation import GenerationSettings
    from diffusion_studio.storage.places import outputs_dir

    card = cards.find("")
    for number, days in enumerate(DAYS):
        label = card.classes[number % len(card.classes)] if card.classes else ""
        settings = GenerationSettings(
            model=card.name, steps=12, count=12, seed=1000 * number, class_label=label
        )
        for _ in generate(settings):
            pass
        day = datetime.now() - timedelta(days=days)
        made, folder = outputs_dir() / f"{datetime.now():%Y-%m-%d}", outputs_dir() / f"{day:%Y-%m-%d}"
        if days:
            made.rename(folder)
            for path in folder.iterdir():
                os.utime(path, (day.timestamp(), day.timestamp()))


def fill_models() -> None:
    from diffusion_studio.models import cards, library
    from diffusion_studio.storage.places import models_dir

    starter = cards.find("")
    for title in ("Avatars, warmer", "Sprites", "Portraits at dusk", LONG):
        library.duplicate_model(starter.name, title)
    quick = library.duplicate_model(starter.name, FAST).path / "card.json"
    facts = json.loads(quick.read_text(encoding="utf-8"))
    facts["recommended"] = {"sampler": "consistency", "steps": 2, "spacing": "trailing", "clipping": "range"}
    facts["trained"] = {**facts.get("trained", {}), "teacher": starter.name}
    quick.write_text(json.dumps(facts), encoding="utf-8")
    damaged = models_dir() / "half-a-download"
    shutil.copytree(starter.path, damaged)
    next(damaged.rglob("*.safetensors")).write_bytes(b"not what it says")
    broken = models_dir() / "no-configuration"
    (broken / "unet").mkdir(parents=True)
    (broken / "unet" / "config.json").write_text("{ this is no JSON")
    (broken / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline"}))


def fill_runs() -> None:
    """One run to its end, though a short one, and one that was stopped."""
    from diffusion_studio.jobs.train import train
    from diffusion_studio.settings.training import TrainingSettings
    from diffusion_studio.storage.places import resource

    folder = str(resource("samples/pixel-avatars"))
    usual = TrainingSettings(folder=folder, name="Pixel people", size=16, batch=4, steps=30, sample_every=10)
    for _ in train(usual):
        pass
    job = train(TrainingSettings(folder=folder, name=LONG[:80], size=16, batch=4, steps=400, sample_every=10))
    for event in job:
        if getattr(event, "step", 0) >= 15:
            break
    job.close()


def fill_transparent() -> None:
    """A model of images with transparency, whose EMA can be chosen afterwards."""
    from PIL import Image, ImageDraw

    from diffusion_studio.jobs.train import train
    from diffusion_studio.settings.training import TrainingSettings
    from diffusion_studio.storage.places import data_dir

    folder = data_dir() / "round sprites"
    folder.mkdir(parents=True)
    for number in range(24):
        image = Image.new("RGBA", (16, 16))
        colour = (60 + 8 * number, 200 - 6 * number, 90, 255)
        ImageDraw.Draw(image).ellipse((2, 2, 9 + number % 5, 12), fill=colour)
        image.save(folder / f"{number}.png")
    usual = TrainingSettings(folder=str(folder), name="Round sprites", size=16, batch=4, steps=60)
    for _ in train(replace(usual, sample_every=15, snapshots=2, posthoc_ema=True)):
        pass


def fill_prompted() -> None:
    """A tiny model of text with two LoRAs, where the text extra is installed."""
    from importlib.util import find_spec

    from diffusion_studio.storage.places import loras_dir, models_dir

    if find_spec("diffusers") is None or find_spec("transformers") is None:
        return
    from tests.lora_files import write_lora
    from tests.tiny_text_models import stable_diffusion

    stable_diffusion(models_dir() / "tiny-sd")
    for name in ("soft-ink", "grain"):
        write_lora(loras_dir() / f"{name}.safetensors", 16)


def fill_lists() -> None:
    from diffusion_studio.gallery.marks import Marks
    from diffusion_studio.jobs.queue import GenerationQueue
    from diffusion_studio.models import cards
    from diffusion_studio.settings.generation import GenerationSettings
    from diffusion_studio.settings.presets import Presets
    from diffusion_studio.storage.places import outputs_dir

    paths = sorted(outputs_dir().rglob("*.png"))
    marks = Marks()
    marks.star(paths[::9], True)
    marks.tag(paths[::7], ["favourite hair", LONG[:50]])
    marks.collect(paths[::5], "For the game")
    marks.collect(paths[::6], LONG[:50])
    name = cards.find("").name
    Presets().save("Quick look", GenerationSettings(model=name, steps=8))
    Presets().save(PRESET, GenerationSettings(model=name, steps=60, guidance=1.5, eta=0.5))
    queue = GenerationQueue()
    for steps in (30, 60, 90):
        queue.add(GenerationSettings(model=name, steps=steps, count=4))
    queue.fail(queue.requests()[-1].id, "The disk is full: an image needs 12 kB, and 4 kB are free.")


if __name__ == "__main__":
    Path(os.environ["DIFFUSION_STUDIO_HOME"]).mkdir(parents=True, exist_ok=True)
    fill()
