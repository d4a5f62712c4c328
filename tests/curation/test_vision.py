"""A vision-language model as a step: what is taken of its answers, what is kept, and models of random weights."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smartdirector_lite.curation.backends import local
from smartdirector_lite.curation.backends.chat import say
from smartdirector_lite.curation.dataset import Curation, curate_films
from smartdirector_lite.curation.records import Actor, Camera, ShotRecord
from smartdirector_lite.curation.storyboards import write_storyboard
from smartdirector_lite.curation.vision import SIDE, Observer, join_judged, judge_pair
from smartdirector_lite.media import write_video
from smartdirector_lite.media.size import Size
from smartdirector_lite.storyboard import Storyboard
from smartdirector_lite.toyworld.films import sample_film


class Scripted:
    """A model that answers by a function of the last message's text, and keeps what it was asked."""

    name = "scripted"

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.answer, self.asked = answer, []

    def __call__(self, messages: list[dict]) -> str:
        self.asked.append(messages)
        content = messages[-1]["content"]
        return self.answer(content if isinstance(content, str) else content[-1]["text"])


SHOT = ShotRecord(10, 34, camera=Camera("pan left", 0.2), content="A, a red figure, stays.")
SHOT = replace(SHOT, characters=(Actor("A", "a red figure", (0.1, 0.2, 0.3, 0.9), (0.5, 0.5)),))
GOOD = {"content": "A waves.", "camera": "zoom in", "characters": {"A": "a girl in a red coat"}}
FRAMES = np.random.default_rng(0).integers(0, 255, (24, 400, 900, 3), dtype=np.uint8)


def test_a_shot_is_told_in_the_words_of_the_model():
    model = Scripted(lambda text: f"Sure:\n{json.dumps(GOOD)}")
    seen = Observer(model)(SHOT, FRAMES, 12.0)
    assert seen.content == "A waves." and seen.camera == Camera("zoom in")
    assert seen.characters == (replace(SHOT.characters[0], description="a girl in a red coat"),)
    assert replace(seen, content=SHOT.content, camera=SHOT.camera, characters=SHOT.characters) == SHOT
    *pictures, text = model.asked[0][0]["content"]
    assert len(pictures) == 6 and {one["image"].size for one in pictures} == {(SIDE, round(SIDE * 400 / 900))}
    assert '"box": [10, 20, 30, 90]' in text["text"] and "2.0 seconds" in text["text"] and "handheld" in text["text"]


def test_a_camera_that_the_model_confirms_keeps_its_speed():
    seen = Observer(Scripted(lambda text: json.dumps(GOOD | {"camera": "pan left"})))(SHOT, FRAMES[:1], 12.0)
    assert seen.camera == SHOT.camera


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"camera": "crane"}, "camera: Input should be 'static'"),
        ({"characters": {}}, "characters: describe ['A'], each once, not []"),
        ({"characters": GOOD["characters"] | {"B": "a boy"}}, "not ['A', 'B']"),
        ({"content": ""}, "content: String should have at least 1"),
        ({"mood": "sad"}, "mood: Extra inputs"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_record_stays(changes, reason, caplog):
    model = Scripted(lambda text: json.dumps(GOOD | changes))
    assert Observer(model, tries=2)(SHOT, FRAMES, 12.0) == SHOT
    assert len(model.asked) == 2 and reason in model.asked[1][-1]["content"]
    assert "frames 10 to 33" in caplog.text and reason in caplog.text


def test_a_judge_of_neighbours_makes_scenes_and_silence_leaves_them():
    records = [ShotRecord(i, i + 1, scene=scene) for i, scene in enumerate((0, 0, 1, 1, 2))]
    records[2] = replace(records[2], rejected="black")
    verdicts = {(0, 1): False, (1, 3): True, (3, 4): None}
    joined = join_judged(records, lambda one, two: verdicts[one.start, two.start])
    assert [shot.scene for shot in joined] == [0, 1, 1, 1, 2]
    assert [shot.scene for shot in join_judged(records, lambda one, two: None)] == [0, 0, 0, 1, 2]


def test_a_verdict_is_read_from_two_strips():
    model = Scripted(lambda text: '{"same_scene": false}')
    strip = Image.new("RGB", (960, 108))
    assert judge_pair(model, strip, strip) is False and len(model.asked[0][0]["content"]) == 3
    assert judge_pair(Scripted(lambda text: '{"same_scene": "no"}'), strip, strip) is None


# -- films -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def movie(tmp_path_factory) -> Path:
    film = sample_film(3, num_shots=3, soft=0.0)
    path = tmp_path_factory.mktemp("films") / "toy.mp4"
    write_video(path, film.frames(Size(192, 108)), film.fps)
    return path


def answer(text: str) -> str:
    """Every pair is one scene, and every shot shows rain."""
    if "same_scene" in text:
        return '{"same_scene": true}'
    notes = json.loads(next(line for line in text.splitlines() if line.startswith('{"content"')))
    looks = {name: f"somebody called {name}" for name in notes["characters"]}
    return json.dumps({"content": "It rains.", "camera": "handheld", "characters": looks})


@dataclass(frozen=True)
class Watched(Curation):
    """A curation whose vision-language model is a script."""

    model: Scripted = None

    def find_models(self) -> None:
        pass

    def open_vision_model(self) -> Scripted:
        return self.model


def entries(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_film_is_told_by_the_model_which_is_asked_but_once(movie, tmp_path):
    model = Scripted(answer)
    curation = Watched(Size(32, 16), "fast", vlm="scripted", model=model)
    (summary,) = curate_films([movie], tmp_path / "seen", curation).values()
    used = summary.shots - summary.rejected.total()
    assert summary.scenes == 1 and used > 1 and len(model.asked) == 2 * used - 1
    listed = entries(tmp_path / "seen")
    assert all(shot["description"] == "It rains." for entry in listed for shot in entry["shots"])
    assert all(shot["camera"] == "handheld" for entry in listed for shot in entry["shots"])
    names = {name for entry in listed for shot in entry["shots"] for name in shot["characters"]}
    assert names and all(
        f"{name} is somebody called {name}." in " ".join(e["description"] for e in listed) for name in names
    )
    curate_films([movie], tmp_path / "seen", curation)
    assert len(model.asked) == 2 * used - 1 and entries(tmp_path / "seen") == listed
    with pytest.raises(ValueError, match="choose another dataset"):
        curate_films([movie], tmp_path / "seen", Curation(Size(32, 16), "fast"))


def test_a_storyboard_is_told_by_the_model(movie, tmp_path):
    curation = Watched(detector="fast", vlm="scripted", model=Scripted(answer))
    storyboard = Storyboard.load(write_storyboard(movie, (0, 1), tmp_path, curation))
    assert {shot.description for shot in storyboard.shots} == {"It rains."}


# -- models of random weights ------------------------------------------------------------------------------------------

PICTURE = {"llava": "<image>", "qwen3-vl": "<|vision_start|><|image_pad|><|vision_end|>"}
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "bos_token_id": None,
    "eos_token_id": None,
    "max_position_embeddings": 16384,
    "initializer_range": 1.0,
}


def letters(kind: str, *special: str) -> tuple:
    """A tokenizer of letters and the chat template of a kind of model."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {chr(code): code - 32 for code in range(32, 127)} | {"\n": 95, "<unk>": 96}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token=" ")
    fast.add_special_tokens({"additional_special_tokens": list(special)})
    part = "{% if p['type'] == 'image' %}" + PICTURE[kind] + "{% else %}{{ p['text'] }}{% endif %}"
    template = "{% for m in messages %}<{{ m['role'] }}>{% for p in m['content'] %}" + part + "{% endfor %}{% endfor %}"
    return fast, template


def save_llava(folder: Path) -> None:
    from transformers import CLIPImageProcessorPil, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer, template = letters("llava", "<image>")
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    shape = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    LlavaProcessor(pictures, tokenizer, chat_template=template, **shape).save_pretrained(folder)
    vision = {"model_type": "clip_vision_model", "image_size": 16, "patch_size": 8, "projection_dim": 16}
    vision |= {name: TEXT[name] for name in [*TEXT][:4]}
    text = {"model_type": "llama", "vocab_size": len(tokenizer), **TEXT}
    place = {"image_token_id": tokenizer.convert_tokens_to_ids("<image>"), "image_seq_length": 4}
    config = LlavaConfig(vision_config=vision, text_config=text, vision_feature_layer=-1, **place)
    LlavaForConditionalGeneration(config).save_pretrained(folder)


def save_qwen(folder: Path) -> None:
    pytest.importorskip("torchvision", reason="Qwen3-VL's processor needs torchvision")
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    names = {name: f"<|{name}|>" for name in ("image_pad", "video_pad", "vision_start", "vision_end")}
    tokenizer, template = letters("qwen3-vl", *names.values())
    shape = {"patch_size": 8, "merge_size": 2}
    pictures = Qwen2VLImageProcessor(size={"shortest_edge": 1024, "longest_edge": 4096}, **shape)
    videos = Qwen3VLVideoProcessor(**shape)
    Qwen3VLProcessor(pictures, tokenizer, videos, chat_template=template).save_pretrained(folder)
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}
    text = {"vocab_size": len(tokenizer), "num_key_value_heads": 1, "head_dim": 8, "rope_parameters": rope, **TEXT}
    vision = {"depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "patch_size": 8}
    vision |= {
        "initializer_range": 1.0,
        "out_hidden_size": 16,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }
    fields = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    tokens = {field: tokenizer.convert_tokens_to_ids(name) for field, name in zip(fields, names.values())}
    config = Qwen3VLConfig(text_config=text, vision_config=vision, **tokens)
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)


@pytest.fixture(scope="module", params=[save_llava, save_qwen], ids=["llava", "qwen3-vl"])
def folder(request, tmp_path_factory) -> Path:
    import torch

    path = tmp_path_factory.mktemp("models") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        request.param(path)
    return path


def test_a_model_in_a_folder_sees_pictures_and_reads_text(folder, monkeypatch):
    monkeypatch.setattr(local, "MAX_NEW_TOKENS", 16)
    model = local.load_vision_model(str(folder))
    noise, other = Image.fromarray(FRAMES[0, :360, :640]), Image.new("RGB", (640, 360), "red")
    question = say("user", "What is it?", [noise, noise])
    first = model([question])
    assert first and model([question]) == first
    assert model([say("user", "What is it?", [noise, other])]) != first
    assert model([say("user", "What was it?", [noise, noise])]) != first
    assert isinstance(model([question, say("assistant", first), say("user", "Refused.")]), str)


def test_the_nonsense_of_a_model_leaves_a_dataset_as_it_is(folder, movie, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(local, "MAX_NEW_TOKENS", 8)
    curate_films([movie], tmp_path / "seen", Curation(Size(32, 16), "fast", vlm=str(folder)))
    curate_films([movie], tmp_path / "plain", Curation(Size(32, 16), "fast"))
    assert entries(tmp_path / "seen") == entries(tmp_path / "plain") and "no JSON object" in caplog.text


@pytest.mark.parametrize("option", ["vlm", "llm"])
def test_a_model_that_is_not_there_is_named_before_the_work_begins(movie, tmp_path, option):
    curation = Curation(Size(32, 16), "fast", **{option: "owner/name"})
    with pytest.raises(ValueError, match="hf download owner/name"):
        curate_films([movie], tmp_path / "dataset", curation)
    with pytest.raises(ValueError, match="hf download owner/name"):
        write_storyboard(movie, (0, 1), tmp_path / "story", curation)
    assert not list(tmp_path.iterdir())
