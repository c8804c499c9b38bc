"""Parents and branches are found by an index, without a look at every picture."""

from pathlib import Path

from diffusion_studio.gallery.entries import Entry
from diffusion_studio.gallery.relatives import Relatives
from diffusion_studio.settings.branches import branch
from diffusion_studio.settings.generation import GenerationSettings
from diffusion_studio.settings.options import to_dict


def entry(name, settings):
    return Entry(path=Path(name), day="2026-11-23", settings=to_dict(settings), stamp="1")


def test_a_family_is_found_whatever_its_branches_changed():
    root = GenerationSettings(model="faces", seed=7, steps=30, sampler="heun")
    changed = branch(root, 4, sampler="ddim")
    reseeded = branch(changed, 9, seed=11)
    entries = {
        e.path: e
        for e in (
            entry("third", reseeded),
            entry("second", changed),
            entry("first", root),
            entry("other steps", GenerationSettings(model="faces", seed=7, steps=31, sampler="heun")),
            entry("another", GenerationSettings(model="faces", seed=11)),
            Entry(path=Path("unread"), day="2026-11-23"),
        )
    }
    relatives = Relatives(entries.values())

    def of(name):
        return [(words, other.path.name) for words, other in relatives.of(entries[Path(name)], entries)]

    assert of("first") == [("Branch at step 4", "second")]
    assert of("second") == [("Parent", "first"), ("Branch at step 9", "third")]
    assert of("third") == [("Parent", "second")]
    assert of("other steps") == of("another") == of("unread") == []


def test_a_selection_looks_at_no_picture_of_another_seed(monkeypatch):
    from diffusion_studio.gallery import relatives as module

    family = [GenerationSettings(seed=5), branch(GenerationSettings(seed=5), 3, steps=9)]
    settings = [*family, *(GenerationSettings(seed=seed) for seed in range(100, 400))]
    entries = {e.path: e for e in (entry(f"{place}", one) for place, one in enumerate(settings))}
    index = Relatives(entries.values())
    real, looked = module.settings_of, []
    monkeypatch.setattr(module, "settings_of", lambda e: looked.append(e.path.name) or real(e))
    assert [words for words, _ in index.of(entries[Path("0")], entries)] == ["Branch at step 3"]
    assert sorted(looked) == ["0", "1"]
    looked.clear()
    assert [words for words, _ in index.of(entries[Path("1")], entries)] == ["Parent"]
    assert sorted(set(looked)) == ["0", "1"]
