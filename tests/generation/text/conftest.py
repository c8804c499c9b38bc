"""Tiny text models, made once, and no network: whatever opens a socket fails."""

import socket

import pytest

from tests import tiny_text_models as tiny


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def _both(tmp_path_factory, build):
    folder = tmp_path_factory.mktemp("text") / "tiny"
    pipeline = build(folder)
    return tiny.open_tiny(folder), pipeline


@pytest.fixture(scope="session")
def sd(tmp_path_factory):
    """Our model of a tiny Stable Diffusion and diffusers' pipeline of the same weights."""
    return _both(tmp_path_factory, tiny.stable_diffusion)


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory):
    return _both(tmp_path_factory, tiny.stable_diffusion_xl)


@pytest.fixture(scope="session")
def z_image(tmp_path_factory):
    return _both(tmp_path_factory, tiny.z_image)
