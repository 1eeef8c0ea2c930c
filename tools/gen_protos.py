"""Generate `vaina/api` and `kubelet/runtime/cri/*_pb2*` (messages, typed stubs, service stubs) from `protos/`.

Called by `make protos`. The result is never edited and never committed. Nothing is written when it is newer
than every .proto file, so the target is cheap to depend on. Generated with the pinned grpcio-tools, so no
network is needed.
"""

import os
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
OUT = ROOT / "vaina" / "api"
#: generated beside the hand-written modules that use it, and used by nobody else
CRI = Path("kubelet") / "runtime" / "cri"
STAMP = OUT / ".generated"
#: numbers of fields of FileDescriptorProto and DescriptorProto, of which places of comments are made
_MESSAGES, _FIELDS = 4, 2


def is_current(sources: list[Path]) -> bool:
    """Say whether the generated tree is newer than every source and than this script."""
    if not STAMP.exists() or not (ROOT / CRI / "cri_pb2.py").exists():
        return False
    made = STAMP.stat().st_mtime
    return all(source.stat().st_mtime < made for source in [*sources, Path(__file__)])


def generate(sources: list[Path]) -> int:
    """Run protoc over all sources; return its exit code.

    Who imports the old tree meanwhile finds each file there, old or new.
    """
    # protoc finds its plugin (mypy-protobuf) beside this interpreter, whether or not the environment is
    # activated.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    names = [str(source.relative_to(PROTOS)) for source in sources]
    services = [name for name in names if name.endswith("_service.proto")]
    include = ["protoc", f"-I{PROTOS}", f"-I{files('grpc_tools') / '_proto'}"]
    with tempfile.TemporaryDirectory(prefix=".protos-", dir=ROOT) as made:
        described = Path(made) / "described.binpb"
        found = [f"--descriptor_set_out={described}", "--include_source_info"]
        messages = [*include, f"--python_out={made}", f"--pyi_out={made}", *found, *names]
        stubs = [*include, f"--grpc_python_out={made}", f"--mypy_grpc_out=quiet:{made}", *services]
        code = protoc.main(messages) or protoc.main(stubs)
        if code == 0:
            text = descriptions_module(descriptor_pb2.FileDescriptorSet.FromString(described.read_bytes()))
            (Path(made) / "vaina" / "api" / "descriptions.py").write_text(text)
            _replace(Path(made) / "vaina" / "api")
            for path in sorted((Path(made) / CRI).glob("*_pb2*")):
                (ROOT / CRI).mkdir(parents=True, exist_ok=True)
                path.replace(ROOT / CRI / path.name)
    return code


def descriptions_module(files: descriptor_pb2.FileDescriptorSet) -> str:
    """Return the module with what comments say of messages and their fields, for documents of the API.

    A comment is what stands before a message or a field, or behind it in its line; of a message the first
    paragraph.
    """
    found: dict[str, dict[str, str]] = {}
    for file in files.file:
        if not file.package.startswith("vaina.api.") or file.name.endswith("_service.proto"):
            continue
        comments = {
            tuple(place.path): place.leading_comments or place.trailing_comments
            for place in file.source_code_info.location
        }
        for number, message in enumerate(file.message_type):
            texts = {"": _text(comments.get((_MESSAGES, number), ""))}
            for place, item in enumerate(message.field):
                texts[item.json_name] = _text(comments.get((_MESSAGES, number, _FIELDS, place), ""))
            found[f"{file.package}.{message.name}"] = {name: text for name, text in texts.items() if text}
    lines = [f"    {name!r}: {texts!r},\n" for name, texts in sorted(found.items()) if texts]
    return (
        '"""What the comments in protos/ say, by message and JSON name of its fields. Generated; do not edit."""\n\n'
        f"DESCRIPTIONS: dict[str, dict[str, str]] = {{\n{''.join(lines)}}}\n"
    )


def _text(comment: str) -> str:
    return " ".join(comment.split("\n\n")[0].split())


def _replace(made: Path) -> None:
    """Put the new tree in the old one's place, file by file, and take away what is in it no longer."""
    for folder in [made, *(path for path in made.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").write_text('"""Generated from protos/; do not edit."""\n')
    new = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    for name in sorted(new):
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).replace(OUT / name)
    for path in OUT.rglob("*.py*"):
        if path.is_file() and path.parent.name != "__pycache__" and path.relative_to(OUT) not in new:
            path.unlink()


def main() -> int:
    """Generate unless current."""
    sources = sorted(PROTOS.glob("**/*.proto"))
    if is_current(sources):
        return 0
    code = generate(sources)
    if code == 0:
        STAMP.touch()
    return code


if __name__ == "__main__":
    sys.exit(main())
