"""Where the application starts: with a command the command line, without one the window."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def console(argv: Sequence[str] | None = None) -> int:
    """Carry out a command; without one open the window, or where there is no display generate a sheet without it."""
    choose_language()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        from diffusion_studio.machine.display import has_display

        if has_display():
            return gui()
        print(
            "There is no display, so no window is opened. Generating a sheet of images with the starter model instead.\n"
            "All other commands work without a display: --help lists them.",
            file=sys.stderr,
            flush=True,
        )
        arguments = ["generate", "--count", "4", "--sheet"]
    from diffusion_studio.cli.main import main

    return main(arguments)


def choose_language() -> None:
    """Show texts in the language of `DIFFUSION_STUDIO_LANGUAGE` or of the system, before a module that holds texts is loaded."""
    from diffusion_studio.language import use_catalogue
    from diffusion_studio.storage.places import resource

    names = ("DIFFUSION_STUDIO_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    code = next(filter(None, map(os.environ.get, names)), "").partition(".")[0]
    if code not in ("", "C", "POSIX") and not code.startswith("en"):
        use_catalogue(resource("languages"), code)


def gui() -> int:
    """Open the window; where Qt would abort, print what is missing and how to get it."""
    choose_language()
    from diffusion_studio.machine.display import has_display, missing_for_window, missing_libraries

    if not os.environ.get("QT_QPA_PLATFORM") and not has_display():
        print(
            "There is no display to open a window on. “diffusion-studio generate” works without one.",
            file=sys.stderr,
        )
        return 1
    missing = missing_for_window()
    if not missing:
        try:
            from diffusion_studio.ui.window.app import main
        except ImportError:  # Qt's own libraries lack one of the system's
            missing = missing_libraries("screen")
            if not missing:
                raise
        else:
            return main()
    from diffusion_studio.machine.qt_check import remedy

    print(remedy(missing), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(console())
