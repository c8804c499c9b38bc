"""`models`: list, show, import, export, rename, duplicate, verify and delete models, and choose the default."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable
from pathlib import Path

from diffusion_studio.cli.info import model_facts, run_info, run_models
from diffusion_studio.cli.output import plain, say, say_json, tell
from diffusion_studio.cli.stop import Stop
from diffusion_studio.diffusion.scheduler_classes import CONSISTENCY
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage.paths import check_path, check_readable
from diffusion_studio.storage.places import models_dir

Run = Callable[[argparse.Namespace, Stop], int]


def models(parser: argparse.ArgumentParser) -> Run:
    parser.add_argument("--json", action="store_true", help=tr("print one model per line as JSON"))
    parser.set_defaults(run=run_models)
    actions = parser.add_subparsers(metavar="[ACTION]", title=tr("actions"), prog=f"{parser.prog}")

    def add(name: str, run: Run, help: str) -> argparse.ArgumentParser:
        action = actions.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False
        )
        action.set_defaults(run=run)
        return action

    for name, run, help in (
        ("list", run_models, tr("list the installed models (what “models” alone does)")),
        ("info", run_info, tr("show what a model is")),
    ):
        action = add(name, run, help)
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("print JSON"))
        if name == "info":
            action.add_argument("subject", metavar="MODEL", help=tr("an installed model, or a folder"))
    bring = add(
        "import",
        run_import,
        tr("copy a pixel model, a folder or a zip, to the models; list a text model by its place"),
    )
    bring.add_argument(
        "source",
        metavar="SOURCE",
        nargs="?",
        help=tr(
            "a folder, a zip, a .safetensors file, or the name of a model in the cache of the hub; without it, those are "
            "listed"
        ),
    )
    bring.add_argument("--name", help=tr("its name here"))
    bring.add_argument(
        "--prediction",
        default="",
        choices=("epsilon", "v_prediction", "sample"),
        help=tr("what a text model's network predicts, where its file does not say"),
    )
    bring.add_argument(
        "--parts",
        metavar="MODEL",
        help=tr("the installed model that has what is not in a text model's file, such as its text encoders"),
    )
    bring.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("print JSON"))
    give = add("export", run_export, tr("write a model as a folder that diffusers opens, or as ONNX"))
    give.add_argument("model", metavar="MODEL")
    give.add_argument(
        "target", metavar="TARGET", help=tr("the folder or zip to write; an existing one is refused")
    )
    give.add_argument(
        "--overwrite",
        action="store_true",
        help=tr("move what exists there to the trash and replace it"),
    )
    give.add_argument(
        "--dtype", default="float32", choices=("float32", "bfloat16", "float16"), help=tr("number format")
    )
    give.add_argument("--zip", action="store_true", help=tr("write a zip"))
    give.add_argument(
        "--onnx",
        action="store_true",
        help=tr(
            "write a folder with the network as ONNX, its noise schedule and a README (needs the extra “onnx”)"
        ),
    )
    title = add("rename", run_rename, tr("give a model another title; the name that images refer to stays"))
    title.add_argument("model", metavar="MODEL")
    title.add_argument("title", metavar="TITLE")
    copy = add("duplicate", run_duplicate, tr("make a second, independent copy of a model"))
    copy.add_argument("model", metavar="MODEL")
    copy.add_argument("--title", help=tr("the title of the copy"))
    add("delete", run_delete, tr("move a model to the trash")).add_argument("model", metavar="MODEL")
    check = add("verify", run_verify, tr("check models completely: hashes, finite weights, loadable"))
    check.add_argument("model", metavar="MODEL", nargs="?", help=tr("without it, all are checked"))
    own = add(
        "ema",
        run_ema,
        tr("make the model of a run with an EMA of another length, or with the weights of an earlier step"),
    )
    own.add_argument("training", metavar="RUN", help=tr("a run that `runs` lists"))
    own.add_argument(
        "--length",
        type=float,
        help=tr(
            "share of the run that the EMA spans, 0.03 to 0.2; needs a run with --posthoc-ema. Without --length and --step: "
            "what there is to choose from"
        ),
    )
    own.add_argument("--step", type=int, help=tr("the step of a checkpoint or a snapshot"))
    own.add_argument(
        "--sheet",
        metavar="FILE.png",
        type=Path,
        help=tr("only save samples with --length, always of the same seeds, and make no model"),
    )
    place = add("locate", run_locate, tr("say where the files of a text model are now"))
    place.add_argument("model", metavar="MODEL")
    place.add_argument("place", metavar="PATH")
    add(
        "install-text",
        run_install_text,
        tr("install what text models need (diffusers, transformers and more; needs a network)"),
    )
    choose = add("default", run_default, tr("set the model that is used when none is named, or show it"))
    choose.add_argument("model", metavar="MODEL", nargs="?")
    return lambda arguments, stop: int(arguments.run(arguments, stop))


def run_import(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.models import cards, import_sources, library

    as_json = getattr(arguments, "json", False)
    if arguments.source is None:
        found = import_sources.find_in_hub_cache()
        for model in found:
            if as_json:
                say_json({"name": model.name, "path": str(model.path), "reason": model.reason or None})
                continue
            say(
                f"{plain(model.name)}  {plain(str(model.path))}"
                if not model.reason
                else tr("{name}  cannot be imported: {reason}", name=plain(model.name), reason=model.reason)
            )
        if not found:
            raise UserError(tr("Nothing in the cache of the hub can be imported; name a folder or a zip."))
        return 0
    rest = cards.find(arguments.parts) if arguments.parts else None
    card = library.import_model(arguments.source, arguments.name, prediction=arguments.prediction, rest=rest)
    say_json(model_facts(card)) if as_json else say(plain(card.name))
    if card.flow:
        name = card.schedule.get("_class_name")
        tell(tr("It is a flow-matching model ({name}) and generates as one.", name=name))
    elif card.schedule.get("_class_name") == CONSISTENCY:
        tell(tr("It is a consistency model ({name}: its own noise levels, sigma).", name=CONSISTENCY))
    for remark in card.remarks:
        tell(remark)
    return 0


def run_export(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.models import export
    from diffusion_studio.models.export import place_of
    from diffusion_studio.storage.places import restore

    as_zip = arguments.zip or arguments.target.lower().endswith(".zip")
    layout = "onnx" if arguments.onnx else "diffusers"
    target = Path(arguments.target)
    check_path(target)
    place = place_of(target, zip=as_zip, layout=layout)
    trashed = _move_aside(place) if arguments.overwrite and os.path.lexists(place) else None
    try:
        written = export.export_model(
            arguments.model, target, dtype=arguments.dtype, zip=as_zip, layout=layout
        )
    except BaseException:
        if trashed is not None:
            restore(trashed, place)
        raise
    say(str(written))
    if trashed is not None:
        tell(tr("What was replaced is in the trash: {trashed}", trashed=trashed))
    return 0


def _move_aside(place: Path) -> Path:
    """Move an export that is to be replaced to the trash; raises `UserError` for anything else."""
    from diffusion_studio.storage.places import trash

    exported = ("model_index.json", "model.onnx", "unet")
    if not (place.suffix.lower() == ".zip" and place.is_file()) and not any(
        (place / name).exists() for name in exported
    ):
        raise UserError(
            tr("{place} is not an exported model, so it is not replaced. Choose another name.", place=place)
        )
    return trash(place)


def run_rename(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.models import library

    say(plain(library.rename_model(arguments.model, arguments.title).title))
    return 0


def run_duplicate(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.models import library

    say(plain(library.duplicate_model(arguments.model, arguments.title).name))
    return 0


def run_delete(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.models import library

    trashed = library.delete_model(arguments.model)
    tell(
        tr(
            "It is in the trash; to have it back: gallery trash restore {quote}",
            quote=shlex.quote(trashed.name),
        )
    )
    return 0


def run_locate(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.models.text import registration

    check_path(Path(arguments.place))
    card = registration.locate(arguments.model, Path(arguments.place).expanduser())
    say(plain(card.name))
    return 0


def run_install_text(_: argparse.Namespace, __: Stop) -> int:
    from contextlib import closing

    from diffusion_studio.events import Status
    from diffusion_studio.jobs.install_text import install

    said = ""
    with closing(install()) as job:
        for event in job:
            if isinstance(event, Status) and event.text != said:  # it is repeated while pip is silent
                said = event.text
                tell(said)
    return 0


def run_verify(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.models import cards
    from diffusion_studio.models import verify as models_verify

    check_readable(models_dir())
    names = [arguments.model] if arguments.model else [card.name for card in cards.installed()]
    faults = [fault for name in names for fault in _verify(name, models_verify.verify_model)]
    if faults:
        raise UserError(" ".join(faults))
    return 0


def _verify(name: str, verify: Callable[[str], list[str]]) -> list[str]:
    faults = verify(name)
    if not faults:
        say(tr("{name}: no problems found", name=plain(name)))
    return faults


def run_ema(arguments: argparse.Namespace, _: Stop) -> int:
    if arguments.length is None and arguments.step is None:
        return show_snapshots(arguments.training)
    if arguments.length is not None and arguments.step is not None:
        raise UserError(tr("Give --length or --step, not both."))
    if arguments.sheet is not None:
        return save_sheet(arguments.training, arguments.length, arguments.sheet)
    from diffusion_studio.jobs.train import publish
    from diffusion_studio.training_events import Published

    for event in publish(arguments.training, step=arguments.step, length=arguments.length):
        if isinstance(event, Published):
            say(plain(event.name))
    return 0


def save_sheet(training: str, length: float | None, target: Path) -> int:
    """What the window shows beside its slider."""
    import io

    from PIL import Image

    from diffusion_studio.jobs.smoothing import preview
    from diffusion_studio.storage.atomic import write_atomic
    from diffusion_studio.training_events import SmoothingSheet

    if length is None:
        raise UserError(tr("--sheet needs --length."))
    if target.suffix.lower() != ".png":
        raise UserError(tr("A sheet of samples is a PNG; {path} does not end in .png.", path=target))
    if target.exists():
        raise UserError(tr("{target} is there already; choose another name.", target=target))
    check_path(target)
    for event in preview(training, length):
        if isinstance(event, SmoothingSheet):
            png = io.BytesIO()
            Image.fromarray(event.pixels).save(png, "PNG")
            write_atomic(target, png.getvalue())
    say(str(target))
    return 0


def show_snapshots(name: str) -> int:
    """What a run kept, and how much room it takes."""
    from diffusion_studio.settings.smoothing import LONGEST, RECOMMENDED, SHORTEST
    from diffusion_studio.storage.foreign_file import size_in_words
    from diffusion_studio.training.records import runs, snapshots

    known = snapshots.find(runs.find(name).path)
    for snapshot in known:
        facts = [tr("step {step}", step=snapshot.step), size_in_words(snapshot.size)]
        if snapshot.ratio is not None:
            facts.append(tr("copy ratio {ratio:.2f}", ratio=snapshot.ratio))
        if snapshot.copies:
            facts.append(tr("copies the images"))
        if snapshot.holds("power.0"):
            facts.append(tr("any EMA length"))
        say(", ".join(facts))
    total = size_in_words(sum(snapshot.size for snapshot in known))
    tell(tr("{count} snapshots, {size} on disk.", count=len(known), size=total))
    if any(snapshot.holds("power.0") for snapshot in known):
        words = tr(
            "Any --length from {low} to {high}; {best} is recommended.",
            low=SHORTEST,
            high=LONGEST,
            best=RECOMMENDED,
        )
        tell(words)
    return 0


def run_default(arguments: argparse.Namespace, _: Stop) -> int:
    from diffusion_studio.models import cards

    if not arguments.model:
        say(plain(cards.find("").name))
        return 0
    from diffusion_studio.models import library

    say(plain(library.set_default(arguments.model).name))
    return 0
