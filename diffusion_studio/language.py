"""Every text a person reads passes through `tr` or `plural`, so that it can be shown in another language.

English is what the code says; a catalogue made with the standard tools of gettext (`resources/languages/CODE/LC_MESSAGES/
diffusion_studio.mo`) replaces it. The names in braces are filled in after the translation, in any order.
"""

from __future__ import annotations

import gettext
from pathlib import Path

DOMAIN = "diffusion_studio"
_catalogue: gettext.NullTranslations = gettext.NullTranslations()


def use_catalogue(folder: Path, code: str) -> bool:
    """Show texts from the catalogue of the language `code` ("de", "pt_BR") below `folder`; whether there is one.

    Texts that the catalogue does not hold stay English.
    """
    global _catalogue
    try:
        _catalogue = gettext.translation(DOMAIN, folder, [code])
    except (OSError, UnicodeDecodeError):
        _catalogue = gettext.NullTranslations()
        return False
    return True


def tr(text: str, /, **values: object) -> str:
    """`text` in the language in use, its {names} filled in from `values` as `str.format` does."""
    message = _catalogue.gettext(text) if text else text  # gettext answers "" with the catalogue's header
    return message.format(**values) if values else message


def plural(one: str, many: str, count: int, /, **values: object) -> str:
    """The form for `count` things, of which a language may have more than two; {count} is filled in as well."""
    return _catalogue.ngettext(one, many, count).format(count=count, **values)
