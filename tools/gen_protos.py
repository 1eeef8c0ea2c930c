"""Generate `vaina/api` (messages, typed stubs, service stubs) from `protos/`.

Called by `make protos`. The result is never edited and never committed. Nothing is written when it is newer than every
.proto file, so the target is cheap to depend on. Generated with the pinned grpcio-tools, so no network is needed.
"""

import os
import shutil
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
OUT = ROOT / "vaina" / "api"
STAMP = OUT / ".generated"


def is_current(sources: list[Path]) -> bool:
    """Say whether the generated tree is newer than every source and than this script."""
    if not STAMP.exists():
        return False
    made = STAMP.stat().st_mtime
    return all(source.stat().st_mtime < made for source in [*sources, Path(__file__)])


def generate(sources: list[Path]) -> int:
    """Run protoc over all sources; return its exit code."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    # protoc finds its plugin (mypy-protobuf) beside this interpreter, whether or not the environment is activated.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    names = [str(source.relative_to(PROTOS)) for source in sources]
    services = [name for name in names if name.endswith("_service.proto")]
    include = ["protoc", f"-I{PROTOS}", f"-I{files('grpc_tools') / '_proto'}"]
    messages = [*include, f"--python_out={ROOT}", f"--pyi_out={ROOT}", *names]
    stubs = [*include, f"--grpc_python_out={ROOT}", f"--mypy_grpc_out=quiet:{ROOT}", *services]
    code = protoc.main(messages) or protoc.main(stubs)
    for folder in [OUT, *(path for path in OUT.rglob("*") if path.is_dir() and path.name != "__pycache__")]:
        (folder / "__init__.py").write_text('"""Generated from protos/; do not edit."""\n')
    return code


def main() -> int:
    """Generate unless current."""
    sources = sorted(PROTOS.glob("vaina/**/*.proto"))
    if is_current(sources):
        return 0
    code = generate(sources)
    if code == 0:
        STAMP.touch()
    return code


if __name__ == "__main__":
    sys.exit(main())
