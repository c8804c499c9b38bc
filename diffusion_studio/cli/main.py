"""The command line: finds the command, and turns whatever ends it into an exit status and at most one sentence.

0: done; 1: an error that the user can correct; 2: wrong usage; 130: stopped by Ctrl-C, with what was done kept.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from diffusion_studio import __version__
from diffusion_studio.cli import output
from diffusion_studio.cli.stop import Stop
from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.storage import notices

Run = Callable[[argparse.Namespace, Stop], int]

PROGRAM = "diffusion-studio"
ALIASES = {"walk": "morph"}
CANNOT_OPEN = {
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EROFS,
}
VERBS: dict[str, str] = {
    "generate": tr("generate images with a model"),
    "compare": tr("generate one seed with several values of one or two settings, side by side"),
    "morph": tr("generate the images on the way from seed to seed, as a film"),
    "queue": tr("add, list, reorder and generate requests that wait"),
    "presets": tr("list the presets that were saved in the window"),
    "info": tr("show the settings of an image, or what a model is"),
    "models": tr("list, import, export, verify and delete models"),
    "gallery": tr("list, search, star, tag and export your images"),
    "train": tr("train a model on a folder of images"),
    "distil": tr("make a model fast: one to eight steps for an image"),
    "runs": tr("list the runs"),
    "check": tr("check a folder of images before training on it"),
    "sprites": tr("cut a sheet of sprites into its cells, or put images together as one"),
    "nearest": tr("find the training image that a generated one is most like"),
    "doctor": tr("show what a bug report needs: versions, devices, folders"),
}
HOME = {"doctor": "info", "runs": "train"}  # modules of cli/ that do not have the name of their verb


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line and return its exit status; never raises for what the user can correct."""
    output.prepare()
    stop = Stop()
    stop_listening = notices.listen(lambda notice: output.tell(notice.sentence))
    try:
        with stop:
            status = _run(list(sys.argv[1:] if argv is None else argv), stop)
    except KeyboardInterrupt:
        status = 130
    except UserError as error:
        output.tell(error)
        status = 130 if stop.asked else 1
    except OSError as error:
        status = 130 if stop.asked else 1
        if not stop.asked:
            output.tell(_explain_file(error))
    except Exception as error:
        status = 130 if stop.asked else 1  # a library interrupted in its midst may raise anything
        if not stop.asked:
            output.tell(_explain(error))
    finally:
        stop_listening()
    unwritten = output.finish()
    if unwritten and not status:
        output.tell(unwritten)
        status = 1
    return status


def _run(words: list[str], stop: Stop) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        output.say(overview())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        output.say(f"{PROGRAM} {__version__}")
        return 0
    name, rest = ALIASES.get(words[0], words[0]), words[1:]
    if name not in VERBS:
        output.tell(f"{PROGRAM}: {_unknown(name)}")
        return 2
    try:
        parser, run = parser_of(name)
        arguments, unknown = parser.parse_known_args(rest)
        if unknown:
            leaf = _chosen(parser, rest)
            leaf.error(_too_much(unknown[0], leaf))
        return run(arguments, stop)
    except SystemExit as end:  # how argparse ends --help and wrong usage
        return end.code if isinstance(end.code, int) else 1


def parser_of(verb: str) -> tuple[argparse.ArgumentParser, Run]:
    summary = VERBS[verb]
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {verb}", description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
    )
    # here: the list of verbs and the version are shown without loading what the verbs need
    module = importlib.import_module(f"diffusion_studio.cli.{HOME.get(verb, verb)}")
    add: Callable[[argparse.ArgumentParser], Run] = getattr(module, verb)
    run = add(parser)
    parser.usage = _usage(parser)
    return parser, run


def _usage(parser: argparse.ArgumentParser) -> str:
    """Short: argparse would list every option with every error."""
    places = [str(action.metavar) for action in parser._actions if not action.option_strings]
    return " ".join(["%(prog)s", *places, "[options]"])


def overview() -> str:
    width = max(map(len, VERBS))
    return "\n".join([
        tr("usage: {program} COMMAND [options]", program=PROGRAM),
        tr("       {program}   (opens the window)", program=PROGRAM),
        "",
        tr("Train diffusion models on your own images, and watch new ones form out of noise."),
        "",
        *(f"  {name:<{width}}  {summary}" for name, summary in VERBS.items()),
        "",
        tr("COMMAND --help shows the options of a command; --version shows the version."),
    ])  # fmt: skip


def _unknown(word: str) -> str:
    if word.startswith("-"):
        return tr("“{word}” must come after a command; there are: {verbs}", word=word, verbs=", ".join(VERBS))
    return tr(
        "“{word}” is not a command{meant}",
        word=word,
        meant=_meant(word, list(VERBS)) or "; there are: " + ", ".join(VERBS),
    )


def _too_much(word: str, parser: argparse.ArgumentParser) -> str:
    known = [option for action in parser._actions for option in action.option_strings]
    said = tr("is not an option") if word.startswith("-") else tr("is not expected here")
    plain = word.partition("=")[0]
    return f"“{word}” {said}{_meant(plain, [option for option in known if option != plain])}"


def _chosen(parser: argparse.ArgumentParser, words: list[str]) -> argparse.ArgumentParser:
    """The parser of the action that was named, where the command has actions."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            named = next((word for word in words if word in action.choices), None)
            return parser if named is None else action.choices[named]
    return parser


def _meant(word: str, known: list[str]) -> str:
    """By the names alone: the dashes that all options share would make every option look like every other."""
    names = {name.lstrip("-"): name for name in reversed(known)}
    close = difflib.get_close_matches(word.lstrip("-"), list(names), n=1)
    return f"; did you mean “{names[close[0]]}”?" if close else ""


def _explain_file(error: OSError) -> str:
    """One sentence for a file or folder that a command could not open; the user can correct it where it is named."""
    from diffusion_studio.storage.paths import cannot_open

    if isinstance(error.filename, str | os.PathLike) and error.errno in CANNOT_OPEN:
        return cannot_open(os.fspath(error.filename), error)
    return _explain(error)


def _explain(error: Exception) -> str:
    """One sentence for what should not have happened; the rest is written to a log."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return tr(
            "There is not enough memory for this. Try a smaller --count, --batch or --size, or another --device."
        )
    what = f"{type(error).__name__}: {str(error)[:200]}".rstrip(": .")
    log = _write_log(error)
    if log:
        return tr("Unexpected error ({what}). Details are in {log}", what=what, log=log)
    return tr("Unexpected error ({what}); the details could not be written to a log.", what=what)


def _write_log(error: Exception) -> Path | None:
    """The log file with the whole error; None where nothing can be written."""
    from diffusion_studio.storage.log import begin_log, end_log, log_fault, log_file
    from diffusion_studio.storage.places import log_dir

    begin_log(log_dir(), __version__, sys.argv[1:])
    log_fault(tr("The command failed"), error)
    end_log()
    path = log_file(log_dir())
    return path if path.is_file() else None
