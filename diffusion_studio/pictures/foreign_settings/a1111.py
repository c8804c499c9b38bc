"""The line of parameters that AUTOMATIC1111's web interface began, and Forge, SD.Next, Civitai and many others write:
the prompt, `Negative prompt: …`, then `Steps: 20, Sampler: …`, and sometimes more lines after that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

from diffusion_studio.pictures.foreign_settings.foreign import (
    LONGEST_PROMPT,
    MOST_LORAS,
    ForeignSettings,
    hexadecimal,
    load_object,
    lora,
    loras,
    number,
    side,
    size,
    text,
    whole,
)
from diffusion_studio.pictures.foreign_settings.sampler_names import divided
from diffusion_studio.settings.loras import Lora
from diffusion_studio.settings.prompt_syntax import lora_tags

MOST_BYTES = 64 * 1024
MOST_PAIRS = 500
KEY = re.compile(r'([^,:"\n{}\[\]]{1,60}):[ \t]{0,9}')
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"(?=[ \t]{0,9}(?:,|\n|$))', re.DOTALL)
DECIMAL_COMMA = re.compile(r"\d{1,5},\d{1,3}(?=[ \t]{0,9}(?:,[ \t]|\n|$))", re.ASCII)
STEPS = re.compile(r"[ \t]{0,9}Steps:[ \t]{0,9}-?\w", re.IGNORECASE)
NEGATIVE = "negative prompt:"
USUAL = {
    "sampler",
    "cfg scale",
    "seed",
    "version",
    "size",
    "model",
    "model hash",
    "schedule type",
    "scheduler",
}
READ_AS: dict[str, Callable[[str], float | None]] = {
    "steps": lambda value: whole(value, -(2**63)),
    "seed": lambda value: whole(value, -(2**63)),
    "cfg scale": number,
    "eta": number,
}
LABELS = {"steps": "Steps", "seed": "Seed", "cfg scale": "Guidance", "eta": "Eta"}
OURS = "Diffusion Studio"
PROGRAMS = (
    (re.compile(OURS), OURS),
    (re.compile(r"f\d|forge|neo\b|classic", re.IGNORECASE), "Forge"),
    (re.compile(r"sd\.next|vlad", re.IGNORECASE), "SD.Next"),
    (re.compile(r"comfyui", re.IGNORECASE), "ComfyUI"),
    (re.compile(r"fooocus", re.IGNORECASE), "Fooocus"),
    (re.compile(r"invoke", re.IGNORECASE), "InvokeAI"),
    (re.compile(r"easy diffusion", re.IGNORECASE), "Easy Diffusion"),
    (re.compile(r"v?\d+\.\d+"), "AUTOMATIC1111"),
)
UNNAMED = "AUTOMATIC1111 or a compatible program"


def read_parameters(said: str) -> ForeignSettings | None:
    """The settings of such a text, None where it is none."""
    before, line = divide(said)
    values = line_values(line)
    if not values:
        return None
    prompt, negative = _prompts(before)
    name = values.get("sampler", values.get("sampler name", ""))
    sampler, schedule = divided(name, _first(values, "schedule type", "scheduler", "schedule"))
    width, height = size(values.get("size", ""))
    hashes = load_object(values.get("hashes"))
    program = _program(values)
    return ForeignSettings(
        program=program,
        version=text(values.get("version", ""), 100),
        prompt=prompt,
        negative=negative,
        seed=whole(values.get("seed"), -1),
        steps=whole(values.get("steps")),
        sampler=text(sampler),
        schedule=text(schedule),
        guidance=number(_first(values, "cfg scale", "guidance scale", "cfg")),
        eta=number(_first(values, "eta", "eta ddim")),
        denoise=number(_first(values, "denoising strength", "strength")),
        width=width or side(values.get("width")),
        height=height or side(values.get("height")),
        model=text(values.get("model", "")),
        model_hash=hexadecimal(values.get("model hash", "")) or hexadecimal(hashes.get("model")),
        loras=_loras(values, f"{prompt}\n{negative}"),
        clip_skip=whole(values.get("clip skip"), 1, 100),
        class_label=text(values.get("class", ""), 500) if program == OURS else "",
        raw=said,
        left_out=tuple(_unread(values)),
    )


def write_parameters(settings: ForeignSettings) -> str:
    """Such a text from any program's settings, for files that have no room for what it wrote."""
    both = settings.width and settings.height
    values = {
        "Steps": settings.steps,
        "Sampler": settings.sampler,
        "Schedule type": settings.schedule,
        "CFG scale": None if settings.guidance is None else f"{settings.guidance:g}",
        "Seed": settings.seed,
        "Size": f"{settings.width}x{settings.height}" if both else None,
        "Model hash": settings.model_hash,
        "Model": settings.model,
        "Denoising strength": None if settings.denoise is None else f"{settings.denoise:g}",
        "Version": settings.program,
    }
    negative = f"\nNegative prompt: {settings.negative}" if settings.negative else ""
    return f"{settings.prompt}{negative}\n{join_values(values)}"


def join_values(values: Mapping[str, object]) -> str:
    """`Key: value, …` with quotes where a value has a comma, a colon, a quote or a line break; empty ones are left out."""
    given = {key: str(value) for key, value in values.items() if value not in (None, "")}
    return ", ".join(f"{key}: {_quoted(value)}" for key, value in given.items())


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if set(value) & set(',:"\n') else value


def _unread(values: Mapping[str, str]) -> Iterator[str]:
    for key, read in READ_AS.items():
        value = values.get(key)
        if value is not None and read(value) is None:
            yield f"{LABELS[key]} cannot be “{text(value, 60)}”."


def divide(said: str) -> tuple[str, str]:
    """(what is before the settings, the settings): they begin at the last line that begins with steps."""
    lines = said.replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n")
    for number_of_line in range(len(lines) - 1, -1, -1):
        if STEPS.match(lines[number_of_line]):
            return "\n".join(lines[:number_of_line]), "\n".join(lines[number_of_line:])
    last = lines[-1]
    known = sum(key.casefold() in USUAL for key, _ in pairs(last[:MOST_BYTES]))
    return ("\n".join(lines[:-1]), last) if known >= 3 else (said, "")


def line_values(line: str) -> dict[str, str]:
    """Key, without case -> value; of two the first."""
    values: dict[str, str] = {}
    for key, value in pairs(line[:MOST_BYTES]):
        values.setdefault(key.casefold(), value)
    return values


def pairs(line: str) -> Iterator[tuple[str, str]]:
    """`Key: value, Key: "quoted, value", Key: {"json": 1}`, in time linear in the line's length."""
    position = found = 0
    while position < len(line) and found < MOST_PAIRS:
        match = KEY.match(line, position)
        if match is None:
            position = _next(line, position)
            continue
        value, position = _value(line, match.end())
        found += 1
        yield match[1].strip(), value


def _value(line: str, start: int) -> tuple[str, int]:
    """A value and where the next key can begin."""
    quoted = QUOTED.match(line, start)
    if quoted is not None:
        try:
            return str(json.loads(quoted[0], strict=False)), _next(line, quoted.end())
        except ValueError:
            return quoted[0].strip('"'), _next(line, quoted.end())
    if line[start : start + 1] in ("{", "["):
        try:
            _, end = json.JSONDecoder(strict=False).raw_decode(line, start)
            return line[start:end], _next(line, end)
        except (ValueError, RecursionError):
            pass
    decimal = DECIMAL_COMMA.match(line, start)
    if decimal is not None:
        return decimal[0], _next(line, decimal.end())
    after = _next(line, start)
    return line[start:after].rstrip(",\n").strip(), after


def _next(line: str, start: int) -> int:
    """Behind the next comma or line break."""
    ends = [place for place in (line.find(",", start), line.find("\n", start)) if place >= 0]
    return min(ends) + 1 if ends else len(line)


def _prompts(before: str) -> tuple[str, str]:
    prompt: list[str] = []
    negative: list[str] = []
    part = prompt
    for line in before.split("\n"):
        if line.strip().casefold().startswith(NEGATIVE):
            part = negative
            line = line.strip()[len(NEGATIVE) :]
        part.append(line)
    return text("\n".join(prompt), LONGEST_PROMPT), text("\n".join(negative), LONGEST_PROMPT)


def _program(values: Mapping[str, str]) -> str:
    if "civitai resources" in values:
        return "Civitai"
    for said in (values.get("app", ""), values.get("version", "")):
        for pattern, program in PROGRAMS:
            if pattern.match(said):
                return program
    return UNNAMED


def _loras(values: Mapping[str, str], prompts: str) -> tuple[Lora, ...]:
    """Those of the prompt's tags with their weights, then those that only the list of hashes names."""
    hashes: dict[str, str] = {}
    for part in values.get("lora hashes", "").split(",")[:MOST_LORAS]:
        name, _, digest = part.partition(":")
        hashes[name.strip()] = digest.strip()
    tags = [lora(name, weight, hashes.get(name, "")) for name, weight in lora_tags(prompts)]
    return loras([*tags, *(lora(name, None, digest) for name, digest in hashes.items())])


def _first(values: Mapping[str, str], *names: str) -> str:
    return next((values[name] for name in names if values.get(name)), "")
