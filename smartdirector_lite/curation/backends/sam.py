"""SAM2 follows something through a video from a box around it (Ravi et al., "SAM 2", 2024), by transformers' classes.

transformers' own processor of pictures needs torchvision. What it does is little, so it is done here.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate
from transformers import Sam2VideoInferenceSession, Sam2VideoModel
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from .local import find_files, load_weights

CORNERS = [[[2, 3]]]  # SAM2's labels of the upper left and the lower right corner of a box


class Sam2:
    """SAM2 on this machine. A `Segmenter`."""

    def __init__(self, model: Sam2VideoModel) -> None:
        self.model = model

    @torch.inference_mode()
    def __call__(self, frames: NDArray, prompts: list[tuple[int, tuple[float, ...]]]) -> NDArray:
        height, width = frames.shape[1:3]
        side, device = self.model.config.image_size, self.model.device
        session = Sam2VideoInferenceSession(
            square_frames(frames, side),
            height,
            width,
            inference_device=device,
            inference_state_device=device,
            dtype=self.model.dtype,
            max_vision_features_cache_size=len(frames),  # each frame is encoded once for all prompts
        )
        masks = np.zeros((len(prompts), *frames.shape[:3]), bool)
        for mask, (start, box) in zip(masks, prompts, strict=True):
            session.reset_tracking_data()
            corners = torch.tensor(box).reshape(1, 1, 2, 2) * side
            points = {"point_coords": corners, "point_labels": torch.tensor(CORNERS, dtype=torch.int32)}
            session.add_point_inputs(session.obj_id_to_idx(0), start, points)
            session.obj_with_new_inputs = [0]
            for reverse in (False, True):
                for seen in self.model.propagate_in_video_iterator(session, start, reverse=reverse):
                    logits = interpolate(seen.pred_masks.float(), (height, width), mode="bilinear")
                    mask[seen.frame_idx] = (logits[0, 0] > 0).cpu().numpy()
        return masks


def square_frames(frames: NDArray, side: int) -> torch.Tensor:
    """Bring frames, uint8 (T, H, W, 3), into the form that SAM2 was trained on: (T, 3, side, side)."""
    sized = [Image.fromarray(frame).resize((side, side), Image.Resampling.BILINEAR) for frame in frames]
    video = torch.from_numpy(np.stack(sized)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    return (video - mean) / std


def load_sam(model: str, download: bool = False) -> Sam2:
    """Load SAM2 for videos, such as facebook/sam2.1-hiera-tiny. LoadError where there is none."""
    return Sam2(load_weights(Sam2VideoModel, model, find_files(model, download), "cuda"))
