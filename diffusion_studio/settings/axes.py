"""The axes of a comparison: a setting and the values it takes, in columns or in rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from diffusion_studio.errors import UserError
from diffusion_studio.language import tr
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.loras import LARGEST_WEIGHT, LEAST_WEIGHT, check_weight, weighted
from diffusion_studio.settings.options import Option, options, show_number, value_types

LORA_WEIGHT = "lora_weight"  # of the first LoRA, which is no setting by itself
AXES = (
    "sampler",
    "spacing",
    "steps",
    "guidance",
    "autoguidance",
    "class_label",
    "seed",
    "model",
    "until",
    "eta",
    "churn",
    "clipping",
    "strength",
    "resamples",
    "variation_strength",
    "prompt",
    "negative",
    LORA_WEIGHT,
    "width",
    "height",
    "clip_skip",
)
OF_LORA = Option(
    label=tr("LoRA weight"),
    help=tr("how much the first LoRA changes the model"),
    min=LEAST_WEIGHT,
    max=LARGEST_WEIGHT,
)
LONGEST_LABEL = 90  # letters of a prompt as a heading
MOST_CELLS = 400
RANGE = re.compile(r"(?P<first>[^:]+?)\.\.(?P<last>[^:]+?)(?::(?P<step>.+))?")
Value = str | int | float


def option_of(setting: str) -> Option:
    """What a form and a parser need to know about one of `AXES`."""
    return OF_LORA if setting == LORA_WEIGHT else options(GenerationSettings)[setting]


def type_of(setting: str) -> type:
    """The plain type of its values."""
    return float if setting == LORA_WEIGHT else value_types(GenerationSettings)[setting][0]


def with_values(settings: GenerationSettings, values: Mapping[str, Any]) -> GenerationSettings:
    """The settings with these values of axes. Raises `UserError` for a weight where there is no LoRA."""
    own = dict(values)
    if LORA_WEIGHT in own:
        own["loras"] = weighted(settings.loras, own.pop(LORA_WEIGHT))
    return replace(settings, **own)


@dataclass(frozen=True, slots=True)
class Axis:
    """One of `AXES`, mostly a field of `GenerationSettings`, and its values, each allowed and there only once."""

    setting: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if self.setting not in AXES:
            raise UserError(
                tr(
                    "{setting!r} cannot be compared; what can: {words}.",
                    setting=self.setting[:60],
                    words=", ".join(words()),
                )
            )
        object.__setattr__(self, "values", tuple(_checked(self.setting, value) for value in self.values))
        if not 1 <= len(self.values) <= MOST_CELLS:
            raise UserError(
                tr(
                    "{label}: there can be 1 to {most_cells} values, not {count}.",
                    label=self.label,
                    most_cells=MOST_CELLS,
                    count=len(self.values),
                )
            )
        twice = next((value for value in self.values if self.values.count(value) > 1), None)
        if twice is not None:
            raise UserError(tr("{label}: {value} is given twice.", label=self.label, value=value_text(twice)))

    @property
    def label(self) -> str:
        return option_of(self.setting).label

    def to_dict(self) -> dict[str, Any]:
        return {"setting": self.setting, "values": list(self.values)}


def words() -> list[str]:
    """The names on the command line of the settings that can be compared."""
    return [_word(name) for name in AXES]


def parse_axis(text: str) -> Axis:
    """“sampler=ddim,heun”, “steps=10,20,50”, “guidance=1..4:0.5”. Raises `UserError` for what is not an axis."""
    name, equals, listed = text.partition("=")
    setting = _setting(name.strip())
    if not equals or not listed.strip():
        raise UserError(
            tr("{word} needs values, as in {word}={example}.", word=_word(setting), example=_example(setting))
        )
    return Axis(setting, parse_values(setting, listed))


def parse_values(setting: str, text: str) -> tuple[Value, ...]:
    """Values separated by commas; numbers may also be a range, first..last or first..last:step.

    A value that contains a comma is put in double quotes, or has a backslash before its comma.
    """
    kind = type_of(setting)
    found: list[Value] = []
    for part in filter(None, split_values(text)):
        ends = RANGE.fullmatch(part) if kind in (int, float) else None
        found.extend(_range(setting, kind, ends) if ends else [_read(setting, kind, part)])
    return tuple(found)


def split_values(text: str) -> list[str]:
    """The parts between commas that are neither quoted nor behind a backslash, without the space around them.

    Quotes count at the beginning of a value; two of them inside quotes are a literal one. Raises `UserError` for one left open.
    """
    found, part, quoted, closed, place = [], "", False, False, 0
    while place < len(text):
        letter, following = text[place], text[place + 1 : place + 2]
        if letter == "\\" and following in ("\\", ",", '"') and following:
            part, place = part + following, place + 1
        elif quoted and letter == '"' == following:
            part, place = part + letter, place + 1
        elif quoted and letter == '"':
            quoted, closed = False, True
        elif not quoted and letter == '"' and not part.strip() and not closed:
            part, quoted = "", True
        elif letter == "," and not quoted:
            found.append(part if closed else part.strip())
            part, closed = "", False
        elif not (closed and letter.isspace()):
            part += letter
        place += 1
    if quoted:
        raise UserError(tr("“{value}” opens a quotation mark that is not closed.", value=text[:60]))
    return [*found, part if closed else part.strip()]


def join_values(values: Iterable[Value]) -> str:
    """The text that `parse_values` reads as these values."""
    return ", ".join(_quote(value_text(value)) for value in values)


def _quote(text: str) -> str:
    plain = text == text.strip() and not any(letter in text for letter in ',"\\')
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


def _range(setting: str, kind: type, ends: re.Match[str]) -> list[Value]:
    first, last = _read(setting, kind, ends["first"]), _read(setting, kind, ends["last"])
    step = _read(setting, kind, ends["step"] or "1")
    assert not isinstance(first, str) and not isinstance(last, str) and not isinstance(step, str)
    if step <= 0 or last < first:
        raise UserError(
            tr("“{ends}” is not a range; write first..last or first..last:step.", ends=ends[0][:60])
        )
    count = math.floor((last - first) / step + 1e-9) + 1
    if count > MOST_CELLS:
        raise UserError(
            tr(
                "“{ends}” has {count} values; {most_cells} are the most.",
                ends=ends[0][:60],
                count=count,
                most_cells=MOST_CELLS,
            )
        )
    return [_tidy(first + k * step) for k in range(count)]


def _tidy(number: int | float) -> int | float:
    """Without the rounding error of adding tenths."""
    return round(number, 10) if isinstance(number, float) else number


def _read(setting: str, kind: type, text: str) -> Value:
    text = text.strip()
    if kind is str:
        return text
    try:
        number: int | float = kind(text)
    except ValueError:
        whole = tr("a whole number") if kind is int else tr("a number")
        raise UserError(
            tr(
                "{label} must be {whole}, not “{value}”.",
                label=option_of(setting).label,
                whole=whole,
                value=text[:60],
            )
        ) from None
    if not math.isfinite(number):
        _checked(setting, number)  # raises what is allowed
    return number


def _checked(setting: str, value: Any) -> Value:
    if value is None:
        raise UserError(tr("{label} needs a value for a comparison.", label=option_of(setting).label))
    if setting == LORA_WEIGHT:
        return check_weight(value, tr("1"))
    kept: Value = getattr(GenerationSettings(**{setting: value}), setting)
    return kept


def _setting(name: str) -> str:
    wanted = name.casefold().replace("_", "-")
    for setting in AXES:
        label = option_of(setting).label.casefold().replace(" ", "-")
        if wanted.replace(" ", "-") in (_word(setting), setting.replace("_", "-"), label):
            return setting
    raise UserError(
        tr("“{name}” cannot be compared; what can: {words}.", name=name[:60], words=", ".join(words()))
    )


def _word(setting: str) -> str:
    return (option_of(setting).flag or setting).replace("_", "-")


def _example(setting: str) -> str:
    facts = option_of(setting)
    if facts.choices is not None:
        return ",".join(list(facts.choices)[:2])
    return {
        "model": "NAME,run:NAME@STEP",
        "class_label": "NAME,NAME",
        "steps": "10,20,50",
        "prompt": '"a cat, at night",dog',
        "negative": "blurry,text",
        "width": "512,768",
        "height": "512,768",
        "clip_skip": "1,2",
    }.get(setting, "0,1")


def value_text(value: Value) -> str:
    return value if isinstance(value, str) else show_number(value)


def value_label(setting: str, value: Value) -> str:
    """The heading of a column or a row."""
    choices = option_of(setting).choices
    if choices is not None:
        return choices[str(value)]
    if setting == "class_label":
        name = str(value).replace("_", " ").strip()
        return name[:1].upper() + name[1:] or tr("Any")
    if setting == "until":
        return tr("step {step}", step=value) if value else tr("all steps")
    if setting == "model":
        return str(value).removeprefix("run:").replace("@", tr(" at step ")) if value else tr("default")
    if setting in ("prompt", "negative"):
        words = " ".join(str(value).split())
        return (words if len(words) <= LONGEST_LABEL else words[: LONGEST_LABEL - 1] + "…") or tr("none")
    if setting in ("width", "height") and not value:
        return tr("the model's own")
    return value_text(value)
