"""Pack trained pipelines as the weights that ship: half precision, safetensors in shards, and the defaults of a call.

python -m smartdirector_lite.training.export --gen runs/gen/export --sr runs/sr/export
"""

import json
from pathlib import Path

import torch
import tyro
from diffusers import DiffusionPipeline

from ..gen import DirectorGenPipeline
from ..loading import bundled_folder
from ..loading.hub import GEN_FOLDER, SR_FOLDER
from ..loading.loader import DEFAULTS_FILE
from ..media import write_json
from ..sr import DirectorSRPipeline
from .tiny import DRAFT, FPS

MAX_SHARD_SIZE = "15MB"


def export(
    gen: Path | None = None,
    sr: Path | None = None,
    out: Path | None = None,
    steps: int = 12,
    sr_steps: int = 1,
    guidance_scale: float = 1.0,
    size: tuple[int, int] = DRAFT,
    fps: float = float(FPS),
) -> None:
    """Write the stages that are given to a model folder. The other stage there is left as it is.

    Args:
        gen: the folder that `train gen` exported to.
        sr: the folder that `train sr` or `train restorer` exported to; it goes with the VAE of stage one.
        out: the model folder; the package's own by default.
        steps: denoising steps of a call that doesn't say.
        sr_steps: the same for stage two.
        guidance_scale: guidance of a call that doesn't say.
        size: width and height of a draft, for a call that doesn't say.
        fps: the frame rate that the stage was trained at.
    """
    if gen is None and sr is None:
        raise ValueError("give gen, sr or both: the folders that training exported to")
    out = bundled_folder() if out is None else out
    if gen is not None:
        defaults = {"steps": steps, "guidance_scale": guidance_scale, "size": list(size), "fps": fps}
        pack(DirectorGenPipeline.from_pretrained(gen, dtype=torch.float16), out / GEN_FOLDER, defaults)
    if sr is not None:
        pipeline = DirectorSRPipeline.from_pretrained(sr, vae=None, dtype=torch.float16)
        pack(pipeline, out / SR_FOLDER, {"steps": sr_steps})
    size_mb = sum(file.stat().st_size for file in out.rglob("*.safetensors")) / 1e6
    print(f"{out}: {size_mb:.1f} MB of weights")


def pack(pipeline: DiffusionPipeline, folder: Path, defaults: dict) -> None:
    """Save a pipeline, with its defaults beside it, and without the path that diffusers notes for each component."""
    pipeline.save_pretrained(folder, max_shard_size=MAX_SHARD_SIZE)
    for config in folder.rglob("*.json"):
        values = json.loads(config.read_text(encoding="utf-8"))
        if values.pop("_name_or_path", None) is not None:
            write_json(config, values)
    write_json(folder / DEFAULTS_FILE, defaults)


if __name__ == "__main__":
    tyro.cli(export)
