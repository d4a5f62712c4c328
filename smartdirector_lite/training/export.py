"""Pack a trained pipeline as the weights that ship: half precision, safetensors in shards, and the defaults of a call.

python -m smartdirector_lite.training.export --gen runs/gen/export
"""

import json
from pathlib import Path

import torch
import tyro

from ..loaders import STAGE_FOLDER, bundled_folder
from ..media import write_json
from ..pipelines import DirectorGenPipeline

MAX_SHARD_SIZE = "15MB"


def export(
    gen: Path = Path("runs/gen/export"),
    out: Path | None = None,
    steps: int = 12,
    guidance_scale: float = 1.5,
    size: tuple[int, int] = (112, 64),
    fps: float = 12.0,
) -> None:
    """Write the pipeline in `gen` to a model folder.

    Args:
        gen: the folder that `train gen` exported to.
        out: the model folder; the package's own by default.
        steps: denoising steps of a call that doesn't say.
        guidance_scale: guidance of a call that doesn't say.
        size: width and height of a call that doesn't say.
        fps: the frame rate it was trained at.
    """
    folder = (bundled_folder() if out is None else out) / STAGE_FOLDER
    pipeline = DirectorGenPipeline.from_pretrained(gen, torch_dtype=torch.float16)
    pipeline.save_pretrained(folder, max_shard_size=MAX_SHARD_SIZE)
    for config in folder.rglob("*.json"):  # diffusers notes where a component came from: a path of one machine
        values = json.loads(config.read_text(encoding="utf-8"))
        if values.pop("_name_or_path", None) is not None:
            write_json(config, values)
    write_json(
        folder / "smartdirector.json",
        {"steps": steps, "guidance_scale": guidance_scale, "size": list(size), "fps": fps},
    )
    size_mb = sum(file.stat().st_size for file in folder.rglob("*.safetensors")) / 1e6
    print(f"{folder}: {size_mb:.1f} MB of weights")


if __name__ == "__main__":
    tyro.cli(export)
