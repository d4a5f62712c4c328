"""SAM2 follows characters: what becomes of its masks, a model of random weights, and the command's option."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smartdirector_lite.curation.backends import local, sam
from smartdirector_lite.curation.characters import find_characters
from smartdirector_lite.curation.dataset import Curation, curate_films
from smartdirector_lite.curation.records import ShotRecord
from smartdirector_lite.curation.storyboards import write_storyboard
from smartdirector_lite.curation.tracking import TRACKED, Tracker
from smartdirector_lite.loading.hub import LoadError
from smartdirector_lite.media import write_video
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld.films import sample_film

FPS, WIDTH, HEIGHT = 12.0, 192, 108
SHOT = ShotRecord(0, 36)


def walk(num_frames: int = 36) -> tuple[np.ndarray, np.ndarray]:
    """A red figure with green feet walks to the right, a pixel a frame. Returns frames, and masks of all of it.

    The feet are thin, so that the default step sees the red body alone.
    """
    frames = np.full((num_frames, HEIGHT, WIDTH, 3), (90, 120, 200), np.uint8)
    masks = np.zeros(frames.shape[:3], bool)
    for index, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        left = 60 + index
        frame[30:80, left : left + 24] = (200, 30, 30)
        frame[30 + index % 12 : 42 + index % 12, left : left + 24] = (250, 120, 20)  # it lives
        frame[84:90, left + 6 : left + 12] = (30, 160, 30)
        mask[30:90, left : left + 24] = True
    return frames, masks


class Seen:
    """A segmenter that gives the masks it was made with, and keeps what it was asked."""

    def __init__(self, masks: np.ndarray) -> None:
        self.masks, self.prompts, self.frames = masks, None, None

    def __call__(self, frames: np.ndarray, prompts: list) -> np.ndarray:
        self.frames, self.prompts = frames, prompts
        chosen = [int(np.flatnonzero((frame == FRAMES).all(axis=(1, 2, 3)))[0]) for frame in frames]
        return np.stack([self.masks[chosen]] * len(prompts))


FRAMES, MASKS = walk()


def test_masks_make_the_box_the_look_and_the_speed():
    (before,) = find_characters(SHOT, FRAMES, FPS).characters
    assert before.box[3] < 0.8  # without its feet
    segmenter = Seen(MASKS)
    (after,) = Tracker(segmenter)(SHOT, FRAMES, FPS).characters
    ((start, box),) = segmenter.prompts
    assert box == before.box and 0 < start < len(segmenter.frames) and len(segmenter.frames) in (TRACKED, TRACKED + 1)
    assert after.box[1] == pytest.approx(30 / HEIGHT) and after.box[3] == pytest.approx(90 / HEIGHT)
    assert after.box[2] - after.box[0] == pytest.approx(24 / WIDTH)
    assert after.speed == pytest.approx(FPS / WIDTH, abs=1e-3)
    assert sum(after.appearance) == pytest.approx(1, abs=1e-3) and after.name == "A"


def test_the_prompt_is_the_box_of_its_own_frame():
    segmenter = Seen(MASKS)
    Tracker(segmenter)(SHOT, FRAMES, FPS)
    ((start, box),) = segmenter.prompts
    reddish = segmenter.frames[start][..., 0] > 150
    assert box[0] == pytest.approx(np.flatnonzero(reddish.any(axis=0))[0] / WIDTH, abs=1 / WIDTH)


def test_specks_are_left_out_and_frames_without_it_are_skipped():
    masks = MASKS.copy()
    masks[:, 2, 2] = True
    masks[20:] = False
    (actor,) = Tracker(Seen(masks))(SHOT, FRAMES, FPS).characters
    assert actor.box[0] > 0.3 and actor.box[0] < 80 / WIDTH and actor.speed == pytest.approx(FPS / WIDTH, abs=1e-3)


def test_who_is_lost_stays_as_the_default_step_has_it():
    lost = Tracker(Seen(np.zeros_like(MASKS)))(SHOT, FRAMES, FPS)
    assert lost == find_characters(SHOT, FRAMES, FPS) and lost.characters


def test_nobody_is_asked_where_nobody_is():
    def segment(frames: np.ndarray, prompts: list) -> np.ndarray:
        raise AssertionError

    named = find_characters(SHOT, FRAMES, FPS)
    assert Tracker(segment)(named, np.full_like(FRAMES, 90), FPS) == replace(named, characters=())
    assert Tracker(segment)(SHOT, FRAMES[:1], FPS).characters == ()


# -- a model of random weights -----------------------------------------------------------------------------------------

SIDE = 64


def save_tiny(folder: Path) -> None:
    """SAM2 for videos with few channels. 64 and 128 are the least that its memory can have."""
    import torch
    from transformers import Sam2VideoConfig, Sam2VideoModel

    hidden, small = 128, 16
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "window_size_per_stage": [4, 4, 2, 2],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [4, 4],
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": hidden,
    }
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": hidden, "image_size": SIDE, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": hidden, "mlp_dim": small, "iou_head_hidden_dim": small},
        image_size=SIDE,
        initializer_range=0.1,
        memory_attention_hidden_size=hidden,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=small,
        memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_hidden_size=hidden,
        mask_downsampler_embed_dim=hidden,
        memory_fuser_embed_dim=hidden,
        memory_fuser_intermediate_dim=small,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Sam2VideoModel(config)
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(100.0)  # or chance would see nothing in any frame
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    save_tiny(path)
    return path


PROMPTS = [(2, (0.1, 0.1, 0.5, 0.5)), (0, (0.6, 0.2, 0.9, 0.9))]
NOISE = np.random.default_rng(0).integers(0, 255, (5, HEIGHT, WIDTH, 3), dtype=np.uint8)


def test_a_model_in_a_folder_follows_each_box_by_itself_through_all_frames(folder):
    model = sam.load_sam(str(folder))
    masks = model(NOISE, PROMPTS)
    assert masks.shape == (2, 5, HEIGHT, WIDTH) and masks.dtype == bool
    assert all(mask.any() and not mask.all() for mask in masks)
    assert (masks == model(NOISE, PROMPTS)).all()
    assert (masks[::-1] == model(NOISE, PROMPTS[::-1])).all()
    moved = model(NOISE, [(2, (0.3, 0.1, 0.5, 0.5))])[0]
    assert all((a != b).any() for a, b in zip(moved, masks[0], strict=True))  # what is asked counts in each frame
    other = np.concatenate([NOISE[:2], NOISE[2:3] // 2, NOISE[3:]])
    assert all((a != b).any() for a, b in zip(model(other, PROMPTS[:1])[0], masks[0], strict=True))
    assert model(NOISE[:1], [(0, (0.1, 0.1, 0.5, 0.5))]).shape == (1, 1, HEIGHT, WIDTH)


def test_frames_and_boxes_are_prepared_as_transformers_own_processor_does(folder):
    pytest.importorskip("torchvision", reason="transformers' processor of SAM2 needs torchvision")
    from torch.nn.functional import interpolate
    from transformers import Sam2ImageProcessor, Sam2VideoProcessor, Sam2VideoVideoProcessor

    size = {"height": SIDE, "width": SIDE}
    processor = Sam2VideoProcessor(Sam2ImageProcessor(size=size), Sam2VideoVideoProcessor(size=size))
    model = sam.load_sam(str(folder))
    session = processor.init_video_session([*NOISE])
    assert (session.get_frame(0) - sam.square_frames(NOISE, SIDE)[0]).abs().max() < 0.02  # a grey level is 0.017
    start, (left, top, right, bottom) = PROMPTS[0]
    box = [left * WIDTH, top * HEIGHT, right * WIDTH, bottom * HEIGHT]
    processor.add_inputs_to_inference_session(session, start, 1, input_boxes=[[box]])
    logits = {
        seen.frame_idx: interpolate(seen.pred_masks, (HEIGHT, WIDTH), mode="bilinear")[0, 0] > 0
        for reverse in (False, True)
        for seen in model.model.propagate_in_video_iterator(session, start, reverse=reverse)
    }
    theirs = np.stack([logits[index].numpy() for index in range(len(NOISE))])
    assert (theirs == model(NOISE, PROMPTS[:1])[0]).mean() > 0.99


def test_weights_that_are_missing_are_named(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop("no_memory_embedding")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(LoadError, match="no_memory_embedding"):
        sam.load_sam(str(tmp_path))


# -- films -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> Path:
    film = sample_film(3, num_shots=2, soft=0.0)
    path = tmp_path_factory.mktemp("films") / "toy.mp4"
    write_video(path, film.frames(Size(WIDTH, HEIGHT)), film.fps)
    return path


def test_a_film_is_curated_with_it_and_the_dataset_notes_that(folder, movie, tmp_path, monkeypatch):
    loaded = Counter()
    load = local.load_weights
    monkeypatch.setattr(sam, "load_weights", lambda *args: (loaded.update(["sam"]), load(*args))[1])
    curation = Curation(Size(32, 16), "fast", sam=str(folder))
    curate_films([movie], tmp_path / "tracked", curation)
    curate_films([movie], tmp_path / "plain", Curation(Size(32, 16), "fast"))
    assert loaded["sam"] == 1
    records = [json.loads((tmp_path / name / ".curation/toy/shots.json").read_text()) for name in ("tracked", "plain")]
    casts = [[shot.pop("characters") for shot in shots] for shots in records]
    assert [len(cast) for cast in casts[0]] == [len(cast) for cast in casts[1]] and any(casts[0])
    assert casts[0] != casts[1]
    assert json.loads((tmp_path / "tracked/.curation/toy/film.json").read_text())["sam"] == str(folder)
    curate_films([movie], tmp_path / "tracked", curation)
    assert loaded["sam"] == 1  # what was found is kept
    with pytest.raises(ValueError, match="choose another dataset"):
        curate_films([movie], tmp_path / "tracked", Curation(Size(32, 16), "fast"))
    write_storyboard(movie, (0, 1), tmp_path / "story", Curation(detector="fast", sam=str(folder)))
    assert loaded["sam"] == 2


def test_a_model_that_is_not_there_is_named_before_the_work_begins(movie, tmp_path):
    curation = Curation(Size(32, 16), "fast", sam="owner/name")
    with pytest.raises(LoadError, match="hf download owner/name"):
        curate_films([movie], tmp_path / "dataset", curation)
    with pytest.raises(LoadError, match="hf download owner/name"):
        write_storyboard(movie, (0, 1), tmp_path / "story", curation)
    assert not list(tmp_path.iterdir())
