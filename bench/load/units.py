"""In what the figures of a report are shown. PURE."""


def unit_of(name: str) -> tuple[str, float]:
    """Return in what a figure is shown, and by what it is multiplied for that."""
    if name.startswith("throughput"):
        return "Pods/s", 1.0
    if name.startswith(("create", "sli_", "attempt_")) or name == "lag":
        return "ms", 1e3
    if name.startswith(("cpu_use_", "memory_use_")) or name in ("fragmentation", "cpu_memory_apart"):
        return "%", 100.0
    for end, unit in (("_us", "µs/Pod"), ("_mb", "MB")):
        if name.endswith(end):
            return unit, 1.0
    return "", 1.0


def number(value: float | None, scale: float = 1.0) -> str:
    """Write a figure with as many digits as say something; "-" where there is none."""
    if value is None:
        return "-"
    value *= scale
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def per_cent(share: float | None) -> str:
    """Write a spread: 0.123 is 12 %; "-" where it is not known."""
    return "-" if share is None else f"{share:.0%}".replace("%", " %")
