"""The command lines of the README are what the program accepts."""

import shlex
from pathlib import Path

import pytest

from diffusion_studio.cli.main import parser_of

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = [block.split("```")[0] for block in README.split("```sh\n")[1:]]
LINES = [
    shlex.split(line, comments=True) for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()
]


def given_to(*program):
    """The words after `program` of each line with it, and those before."""
    count = len(program)
    for words in LINES:
        for place in range(len(words)):
            if tuple(words[place : place + count]) == program:
                yield words[:place], words[place + count :]


TOGETHER = list(given_to("-m", "diffusion_studio"))
ALONE = [words for _, words in given_to("./studio") if words and words[0] not in ("test", "setup", "doctor")]


def parsed(words):
    parser, _ = parser_of(words[0])
    return parser.parse_args(words[1:])


@pytest.mark.parametrize("words", ALONE, ids=" ".join)
def test_its_lines_are_accepted(words):
    parsed(words)


def test_its_lines_for_several_processes_are_accepted():
    from torch.distributed.run import get_args_parser

    assert [before[0] for before, _ in TOGETHER] == ["torchrun", "torchrun"]
    one, several = (
        get_args_parser().parse_args([*before[1:], "-m", "diffusion_studio"]) for before, _ in TOGETHER
    )
    assert one.nproc_per_node == "2" and one.module and one.training_script == "diffusion_studio"
    assert several.nnodes == "2" and several.master_addr and several.master_port > 0
    for _, words in TOGETHER:
        assert words[0] == "train"
        settings = parsed(words)
        assert settings.folder and settings.name and settings.steps > 0
