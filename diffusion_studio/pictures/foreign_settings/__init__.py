"""What other programs write into pictures of how they made them: one module a program, one registry, one dataclass."""

from diffusion_studio.pictures.foreign_settings.foreign import ForeignSettings
from diffusion_studio.pictures.foreign_settings.registry import read_foreign

__all__ = ["ForeignSettings", "read_foreign"]
