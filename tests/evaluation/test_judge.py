"""The judge: what it is shown, what is taken of its answers, endpoints, a random model, and planted defects."""

import base64
import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smartdirector_lite.cli import main
from smartdirector_lite.curation.backends import endpoint, local
from smartdirector_lite.curation.backends.chat import BackendError
from smartdirector_lite.curation.backends.setting import open_model
from smartdirector_lite.evaluation.agreement import PLANTED, agreement_table, check_agreement, plant_defects
from smartdirector_lite.evaluation.judge import (
    DIMENSIONS,
    PROMPT_VERSION,
    SIDE,
    JudgeError,
    Showpiece,
    VideoJudge,
    choose_frames,
    read_showpiece,
)
from smartdirector_lite.evaluation.preference import wilson
from smartdirector_lite.media import write_image, write_video
from tests.servers import Server

GOOD = {name: {"score": 60 + 10 * i, "reason": "It is so."} for i, name in enumerate(DIMENSIONS)}
FRAMES = np.random.default_rng(0).integers(0, 255, (25, 400, 900, 3), dtype=np.uint8)
VIDEO = Showpiece(FRAMES, 12.0, "A red ball rolls.", {13: Image.new("RGB", (90, 40), "red")})


class Told:
    """A model that answers in turn, the last answer for ever, and keeps what it was asked."""

    name = "told"

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), []

    def __call__(self, messages: list[dict]) -> str:
        self.asked.append(messages)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


# -- what it is shown, and what is taken -------------------------------------------------------------------------------


def test_the_judge_sees_frames_with_their_times_and_what_was_given_beside_the_keyframes():
    model = Told(json.dumps(GOOD))
    scores = VideoJudge(model, pictures=3)(VIDEO)
    assert scores.mean == 80 and scores.model_dump() == GOOD
    parts = model.asked[0][0]["content"]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    assert "A red ball rolls." in texts[0] and all(f"- {name}:" in texts[0] for name in DIMENSIONS)
    assert texts[1:] == [
        "Frame 0 at 0.00 s:",
        "Frame 12 at 1.00 s:",
        "Frame 13 at 1.08 s, a keyframe:",
        "The picture that was given for frame 13:",
        "Frame 24 at 2.00 s:",
    ]
    pictures = [part["image"] for part in parts if part["type"] == "image"]
    assert [picture.size for picture in pictures] == [(SIDE, 284)] * 3 + [(90, 40), (SIDE, 284)]
    assert pictures[3].getpixel((0, 0)) == (255, 0, 0) and VIDEO.keyframes[13].size == (90, 40)
    assert [part["type"] for part in parts] == ["text"] + ["text", "image"] * 5


def test_frames_are_spread_evenly_with_every_keyframe():
    assert choose_frames(25, 5) == [0, 6, 12, 18, 24]
    assert choose_frames(25, 5, [13, 18]) == [0, 6, 12, 13, 18, 24]
    assert choose_frames(3, 8) == [0, 1, 2] and choose_frames(1, 8) == [0]
    with pytest.raises(JudgeError, match="keyframe at frame 25: the video has 25 frames"):
        choose_frames(25, 5, [25])
    with pytest.raises(ValueError, match="pictures"):
        VideoJudge(Told(""), pictures=1)


def changed(**changes: object) -> str:
    return json.dumps({**GOOD, **changes})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("It is a fine video, 90 out of 100.", "no JSON object"),
        (changed(video_quality=90), "video_quality: Input should be"),
        (changed(video_quality={"score": 101, "reason": "Sharp."}), "video_quality.score: .*less than or equal to 100"),
        (changed(video_quality={"score": -1, "reason": "Sharp."}), "greater than or equal to 0"),
        (changed(video_quality={"score": "90", "reason": "Sharp."}), "valid integer"),
        (changed(video_quality={"score": 89.5, "reason": "Sharp."}), "valid integer"),
        (changed(video_quality={"score": True, "reason": "Sharp."}), "valid integer"),
        (changed(video_quality={"score": 90, "reason": ""}), "reason"),
        (changed(video_quality={"score": 90}), "video_quality.reason: Field required"),
        (changed(overall=90), "overall: Extra inputs"),
        (json.dumps({name: GOOD[name] for name in DIMENSIONS[:4]}), "aesthetic_quality: Field required"),
    ],
)
def test_an_answer_that_does_not_fit_is_asked_for_again_and_never_a_score(answer, reason):
    model = Told(answer)
    with pytest.raises(JudgeError, match=f"3 answers of told did not fit; the last one: .*{reason}"):
        VideoJudge(model)(VIDEO)
    assert len(model.asked) == 3
    model = Told(answer, f"<think>{{}}</think>\n```json\n{json.dumps(GOOD)}\n```")
    assert VideoJudge(model)(VIDEO).mean == 80
    assert "That was refused" in model.asked[1][-1]["content"]


# -- endpoints ---------------------------------------------------------------------------------------------------------


def test_an_endpoint_gets_the_pictures_and_may_answer_badly_first():
    with Server("No.", json.dumps(GOOD)) as server:
        assert VideoJudge(open_model(server.setting, sees=True), pictures=2)(VIDEO).mean == 80
    assert len(server.asked) == 2 and server.asked[0][2]["model"] == "a-model:8b"
    parts = server.asked[1][2]["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert len(urls) == 4 and {part["type"] for part in parts} == {"text", "image_url"}
    picture = Image.open(io.BytesIO(base64.b64decode(urls[2].removeprefix("data:image/png;base64,"))))
    assert picture.size == (90, 40) and picture.getpixel((5, 5)) == (255, 0, 0)


def test_an_endpoint_that_answers_late_or_is_busy_is_asked_again_and_one_that_stays_so_is_an_error(monkeypatch):
    monkeypatch.setattr(endpoint, "WAITS", (0.01, 0.01))
    monkeypatch.setattr(endpoint, "TIMEOUT", 0.3)
    with Server(None, 503, json.dumps(GOOD)) as server:
        assert VideoJudge(open_model(server.setting, sees=True), pictures=2)(VIDEO).mean == 80
        assert len(server.asked) == 3
    with Server(None) as server, pytest.raises(BackendError, match="timed out; start it or wait"):
        VideoJudge(open_model(server.setting, sees=True), pictures=2)(VIDEO)


# -- planted defects ---------------------------------------------------------------------------------------------------


class Eyes:
    """A judge that knows the true videos, and takes points for what differs in what it is shown."""

    name = "eyes"

    def __init__(self, truths: list[Showpiece], points: int) -> None:
        self.truths, self.points = truths, points

    def __call__(self, messages: list[dict]) -> str:
        parts = messages[0]["content"]
        video = next(one for one in self.truths if one.caption in parts[0]["text"])
        places = [int(part["text"].split()[1]) for part in parts if part.get("text", "").startswith("Frame ")]
        pairs = itertools.pairwise(parts)
        shown = [after["image"] for part, after in pairs if part.get("text", "").startswith("Frame ")]
        wrong = any(np.any(video.frames[place] != np.array(image)) for place, image in zip(places, shown, strict=True))
        return json.dumps({name: {"score": 90 - self.points * wrong, "reason": "Seen."} for name in DIMENSIONS})


@pytest.fixture(scope="module")
def planted() -> list:
    return list(plant_defects(2))


def test_every_defect_changes_frames_that_a_judge_sees_and_no_other_clip(planted):
    assert [defect for defect, _, _ in planted] == [*PLANTED] * 2
    for _, good, spoilt in planted:
        assert good.frames.shape == spoilt.frames.shape and spoilt.frames.dtype == np.uint8
        assert good.keyframes and (spoilt.caption, spoilt.keyframes) == (good.caption, good.keyframes)
        assert all(np.array_equal(good.frames[frame], picture) for frame, picture in good.keyframes.items())


@pytest.mark.parametrize(("points", "better", "equal"), [(10, 12, 0), (0, 0, 12), (-10, 0, 0)])
def test_a_judge_that_sees_agrees_and_one_that_does_not_see_does_not(planted, points, better, equal):
    truths = list({id(good): good for _, good, _ in planted}.values())
    found = check_agreement(VideoJudge(Eyes(truths, points)), planted)
    total = found["all"]
    assert (total.pairs, total.answered, total.better, total.equal, total.seen) == (12, 12, better, equal, better)
    assert total.share == (better / 12, *wilson(better, 12)) and found["blur"].pairs == 2
    assert f"| all | 12 | 12 | {100 * better / 12:.0f} % [" in agreement_table(found).splitlines()[-1]


def test_a_judge_that_does_not_answer_counts_neither_way(planted):
    found = check_agreement(VideoJudge(Told("no"), tries=1), planted[:3])
    assert (found["all"].pairs, found["all"].answered, found["all"].share) == (3, 0, None)
    assert "nothing answered" in agreement_table(found)


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two videos with their storyboards."""
    for index, name in enumerate(("one", "two")):
        write_video(tmp_path / f"{name}.mp4", FRAMES[:, :64, :112] // 2 + 40 * index, 12)
        write_image(tmp_path / "key.png", FRAMES[0, :64, :112])
        story = {"description": f"Story {name}.", "num_frames": 25, "fps": 12, "size": [112, 64]}
        story["keyframes"] = [{"frame": 13, "image": "key.png"}]
        (tmp_path / f"{name}.json").write_text(json.dumps(story), encoding="utf-8")
    return tmp_path


def test_a_showpiece_is_a_video_with_what_its_storyboard_asked_for(folder):
    showpiece = read_showpiece(folder / "one.mp4", folder / "one.json")
    assert showpiece.frames.shape == (25, 64, 112, 3) and showpiece.fps == 12 and "Story one." in showpiece.caption
    assert [*showpiece.keyframes] == [13] and np.array_equal(np.array(showpiece.keyframes[13]), FRAMES[0, :64, :112])


def test_the_command_writes_scores_with_the_model_and_the_prompt_and_says_what_has_none(folder, capsys):
    out = folder / "out.json"
    with Server("no", "no", "no", json.dumps(GOOD)) as server:
        assert main(["judge", str(folder), "--model", server.setting, "-o", str(out)]) == 0
    told = json.loads(out.read_text(encoding="utf-8"))
    assert told["judge"] == {"model": "a-model:8b", "prompt": PROMPT_VERSION, "pictures": 8} and told["scored"] == 1
    assert told["mean"] == {name: GOOD[name]["score"] for name in DIMENSIONS}
    assert told["videos"][0]["video"] == "one" and "no JSON object" in told["videos"][0]["error"]
    assert told["videos"][1] == {"video": "two", "scores": GOOD}
    said = capsys.readouterr().out
    assert "one: no score" in said and "two: 80.0" in said and "1 of 2 videos scored by a-model:8b" in said


def test_the_command_checks_a_judge(folder, capsys):
    with Server(json.dumps(GOOD)) as server:
        assert main(["judge", "--check", "1", "--model", server.setting, "--pictures", "2"]) == 0
    assert len(server.asked) == 1 + len(PLANTED)
    assert "| all | 6 | 6 | 0 % [0, 39] | 6 | 0 |" in capsys.readouterr().out  # it gives everything the same scores
    with Server("no") as server:
        assert main(["judge", "--check", "1", "--model", server.setting, "--pictures", "2"]) == 2
    assert "no answer fitted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}"], "give a model that judges"),
        (["--model", "http://127.0.0.1:9/v1#m"], "give either"),
        (["{folder}", "--check", "2", "--model", "http://127.0.0.1:9/v1#m"], "give either"),
        (["{folder}", "--model", "http://127.0.0.1:9/v1"], "give an address and a model"),
        (["{folder}", "--model", "nowhere"], "no such folder"),
        (["{folder}", "--stories", "{folder}/none", "--model", "nowhere"], "there is no storyboard"),
        (["{folder}/none", "--model", "nowhere"], "holds no mp4"),
    ],
)
def test_what_is_wrong_is_one_line(folder, capsys, arguments, message):
    assert (
        main(["judge", *(one.replace("{folder}", str(folder)) for one in arguments), "-o", str(folder / "o.json")]) == 2
    )
    said = capsys.readouterr().err
    assert said.startswith("smartdirector: ") and said.count("\n") == 1 and message in said
    assert not (folder / "o.json").exists()


# -- a model on this machine -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def random_model(tmp_path_factory) -> Path:
    """A Llava of random weights with a tokenizer of letters, as save_pretrained leaves it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessorPil,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    folder = tmp_path_factory.mktemp("models") / "tiny-llava"
    letters = {chr(code): code - 32 for code in range(32, 127)} | {"\n": 95, "<unk>": 96}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token=" ")
    fast.add_special_tokens({"additional_special_tokens": ["<image>"]})
    part = "{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}"
    template = "{% for m in messages %}<{{ m['role'] }}>{% for p in m['content'] %}" + part + "{% endfor %}{% endfor %}"
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    shape = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    LlavaProcessor(pictures, fast, chat_template=template, **shape).save_pretrained(folder)
    width = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {"model_type": "clip_vision_model", "image_size": 16, "patch_size": 8, "projection_dim": 16, **width}
    text = {"model_type": "llama", "vocab_size": len(fast), "max_position_embeddings": 16384, **width}
    text |= {"bos_token_id": None, "eos_token_id": None}
    place = {"image_token_id": fast.convert_tokens_to_ids("<image>"), "image_seq_length": 4}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlavaConfig(vision_config=vision, text_config=text, vision_feature_layer=-1, **place)
        LlavaForConditionalGeneration(config).save_pretrained(folder)
    return folder


def test_a_random_model_gives_an_error_after_its_tries_and_no_score(random_model, folder, monkeypatch, capsys):
    monkeypatch.setattr(local, "MAX_NEW_TOKENS", 16)
    told = r"2 answers of .*tiny-llava did not fit; the last one: the answer holds no JSON"
    with pytest.raises(JudgeError, match=told):
        VideoJudge(open_model(str(random_model), sees=True), pictures=2, tries=2)(VIDEO)
    out = folder / "out.json"
    assert main(["judge", str(folder), "--model", str(random_model), "--pictures", "2", "-o", str(out)]) == 2
    assert "no answer fitted, so there is no score" in capsys.readouterr().err
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written["scored"] == 0 and written["mean"] == {}
    assert all("scores" not in video and "did not fit" in video["error"] for video in written["videos"])
