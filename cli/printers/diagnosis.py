"""What is wrong with a Pod, as text. PURE; `vaina.why` finds it."""

from cli.printers.style import PLAIN, Paint
from vaina.why.diagnose import Diagnosis


def render_diagnosis(diagnosis: Diagnosis, paint: Paint = PLAIN) -> str:
    """Write a diagnosis: a line a finding, what says more of it indented, and the commands to go on with."""
    lines = [f"{paint('bold', diagnosis.head)}."]
    style = "green" if diagnosis.healthy else "red"
    for finding in diagnosis.findings:
        lines.append(paint(style, f"{finding.what}."))
        lines.extend(f"  {line}" for line in finding.details)
    commands = list(dict.fromkeys(command for finding in diagnosis.findings for command in finding.look))
    lines.extend(paint("dim", f"Note: {note}") for note in diagnosis.notes)
    if commands:
        lines.append("Look at:")
        lines.extend(f"  {paint('cyan', command)}" for command in commands)
    return "".join(f"{line}\n" for line in lines)
