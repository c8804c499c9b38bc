"""Durations, sizes and counts in words, the same everywhere a person reads them."""

from __future__ import annotations

from diffusion_studio.language import tr


def duration(seconds: float) -> str:
    """“3.2 s”, “12 s”, “1 min 40 s”, “2 h 5 min”; “?” for what is not finite."""
    try:
        whole = round(seconds)
    except (OverflowError, ValueError):
        return "?"
    if seconds < 9.95:
        return tr("{seconds:.1f} s", seconds=seconds)
    if whole < 60:
        return tr("{seconds} s", seconds=whole)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        if not rest:
            return tr("{minutes} min", minutes=minutes)
        return tr("{minutes} min {seconds} s", minutes=minutes, seconds=rest)
    hours, minutes = divmod(round(whole / 60), 60)
    return (
        tr("{hours} h {minutes} min", hours=hours, minutes=minutes)
        if minutes
        else tr("{hours} h", hours=hours)
    )


def size(count: float) -> str:
    """Bytes: “15 KB”, “2.3 MB”, “1.2 GB”."""
    if count >= 999.95e6:
        return tr("{count:.1f} GB", count=count / 1e9)
    if count >= 999.5e3:
        return tr("{count:.1f} MB", count=count / 1e6)
    return tr("{count} KB", count=max(round(count / 1e3), 1) if count else 0)


def millions(count: int) -> str:
    """A large number, as of parameters: “6.4 M”; a small one as it is: “12,345”."""
    if count < 1e5:
        return f"{count:,}"
    return (
        tr("{count:.1f} M", count=count / 1e6) if count < 99.95e6 else tr("{count:.0f} M", count=count / 1e6)
    )
