"""Copy the browser libraries that the pages use from npm into the package, with licences and hashes.

    python scripts/vendor.py            fetch the versions below again and rewrite vendor.json
    python scripts/vendor.py --check    compare what is there with vendor.json; needs no network

npm verifies each archive against the registry's own hash before it is unpacked.
"""

import fnmatch
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "llms" / "web" / "static" / "vendor"
LIBRARIES = {  # package: (version, {files in the archive: name here}, licence files)
    "marked": ("18.2.1", {"lib/marked.esm.js": "marked.js"}, ["LICENSE"]),
    "dompurify": ("3.4.18", {"dist/purify.min.js": "purify.js"}, ["LICENSE"]),
    "marked-cjk-friendly": ("0.1.2", {"dist/index.js": "cjk.js"}, ["LICENSE"]),
    "@highlightjs/cdn-assets": ("11.12.0", {"es/highlight.min.js": "highlight.js"}, ["LICENSE"]),
    "katex": (
        "0.19.1",
        {"dist/katex.min.js": "katex.js", "dist/katex.min.css": "katex.css", "dist/fonts/*.woff2": "fonts"},
        ["LICENSE"],
    ),
}


def fetch(package: str, version: str, folder: Path) -> tarfile.TarFile:
    command = ["npm", "pack", f"{package}@{version}", "--silent", "--pack-destination", str(folder)]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1]
    return tarfile.open(folder / name)


def read(archive: tarfile.TarFile, path: str) -> bytes:
    member = archive.extractfile(f"package/{path}")
    assert member is not None, path
    return member.read()


def copied(archive: tarfile.TarFile, files: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(path in the archive, name here) of each file; a pattern of paths names their folder here."""
    members = [name.removeprefix("package/") for name in archive.getnames()]
    for pattern, name in files.items():
        for path in sorted(fnmatch.filter(members, pattern)):
            yield path, f"{name}/{Path(path).name}" if "*" in pattern else name


def vendor() -> None:
    entries = []
    with tempfile.TemporaryDirectory() as scratch:
        for package, (version, files, licences) in LIBRARIES.items():
            archive = fetch(package, version, Path(scratch))
            about = json.loads(read(archive, "package.json"))
            licence = f"{package.removeprefix('@').replace('/', '-')}.LICENSE"
            (TARGET / licence).write_bytes(b"\n".join(read(archive, each) for each in licences))
            for path, name in copied(archive, files):
                content = read(archive, path)
                if name.endswith(".js"):
                    lines = content.split(b"\n")
                    content = b"\n".join(line for line in lines if not line.startswith(b"//# sourceMappingURL"))
                (TARGET / name).parent.mkdir(parents=True, exist_ok=True)
                (TARGET / name).write_bytes(content)
                entries.append(
                    {
                        "package": package,
                        "version": version,
                        "file": name,
                        "from": path,
                        "licence": about["license"],
                        "sha256": hashlib.sha256(content).hexdigest(),
                    }
                )
    (TARGET / "vendor.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


def check() -> list[str]:
    """Names of files that differ from what vendor.json says."""
    entries = json.loads((TARGET / "vendor.json").read_text(encoding="utf-8"))
    return [e["file"] for e in entries if hashlib.sha256((TARGET / e["file"]).read_bytes()).hexdigest() != e["sha256"]]


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(f"changed by hand: {', '.join(check())}" if check() else 0)
    vendor()
