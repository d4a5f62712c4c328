"""Upload the Space: `python space/deploy.py OWNER/NAME`. The package goes along, beside app.py.

The token comes from the environment (HF_TOKEN) or a login of huggingface-hub. `--dry-run FOLDER` only puts the files
together there.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

SPACE = Path(__file__).resolve().parent
PACKAGE = SPACE.parent / "smartdirector_lite"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "deploy.py", "film_examples.py", "ruff.toml")


def stage(folder: Path) -> int:
    """Put the Space's files and the package into a new folder, and return how many files they are."""
    shutil.copytree(SPACE, folder, ignore=LEFT_OUT)
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=LEFT_OUT)
    shutil.copyfile(SPACE.parent / "LICENSE", folder / "LICENSE")
    return sum(path.is_file() for path in folder.rglob("*"))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("repository", nargs="?", help="OWNER/NAME of the Space; made if it is not there")
    parser.add_argument("--private", action="store_true", help="where it is made")
    parser.add_argument("--dry-run", type=Path, metavar="FOLDER", help="a new folder; nothing is sent")
    options = parser.parse_args(arguments)
    if (options.dry_run is None) == (options.repository is None):
        print("give OWNER/NAME, or --dry-run FOLDER", file=sys.stderr)
        return 2
    if options.dry_run is not None:
        if options.dry_run.exists():
            print(f"--dry-run {options.dry_run}: is there already; name a new folder", file=sys.stderr)
            return 2
        print(f"{options.dry_run}: {stage(options.dry_run)} files; nothing was sent")
        return 0
    from huggingface_hub import HfApi

    api = HfApi()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "space"
        stage(folder)
        try:
            api.create_repo(
                options.repository, repo_type="space", space_sdk="gradio", private=options.private, exist_ok=True
            )
            # What is no longer part of the Space goes, too.
            url = api.upload_folder(
                repo_id=options.repository, repo_type="space", folder_path=folder, delete_patterns="*"
            )
        except Exception as error:  # of the hub, or of whichever library it speaks HTTP with
            print(f"{options.repository}: {' '.join(str(error).split())[:300]}", file=sys.stderr)
            return 1
    print(url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
