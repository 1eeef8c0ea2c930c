"""What is wrong with a Pod, as text. PURE; `vaina.why` finds it."""

from cli.printers.style import PLAIN, Paint
from vaina.texts import ENGLISH, Language
from vaina.why.diagnose import Diagnosis


def render_diagnosis(diagnosis: Diagnosis, paint: Paint = PLAIN, language: Language = ENGLISH) -> str:
    """Write a diagnosis: a line a finding, what says more of it indented, and the commands to go on with."""
    lines = [f"{paint('bold', language.say(diagnosis.head))}."]
    style = "green" if diagnosis.healthy else "red"
    for finding in diagnosis.findings:
        lines.append(paint(style, f"{language.say(finding.what)}."))
        lines.extend(f"  {language.say(line)}" for line in finding.details)
    commands = list(dict.fromkeys(command for finding in diagnosis.findings for command in finding.look))
    lines.extend(paint("dim", language("Note: {note}", note=note)) for note in diagnosis.notes)
    if commands:
        lines.append(language("Look at:"))
        lines.extend(f"  {paint('cyan', command)}" for command in commands)
    return "".join(f"{line}\n" for line in lines)
