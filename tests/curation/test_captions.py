"""Captions: templates that can be read back, and language models whose answers are checked."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from smartdirector_lite.curation.backends import endpoint
from smartdirector_lite.curation.backends.chat import BackendError, parse_answer
from smartdirector_lite.curation.backends.endpoint import KEY, Endpoint
from smartdirector_lite.curation.backends.setting import open_model
from smartdirector_lite.curation.captions import (
    PassageText,
    Rewriter,
    describe_passage,
    describe_shot,
    write_contents,
)
from smartdirector_lite.curation.dataset import Curation, curate_films, entry_of, join_shots
from smartdirector_lite.curation.film import Film
from smartdirector_lite.curation.records import Actor, Camera, Passage, ShotRecord
from smartdirector_lite.media import write_video
from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld.films import ToyFilm, sample_film
from smartdirector_lite.toyworld.scene import ASPECT, FRAMINGS
from tests.servers import Server

# -- templates ---------------------------------------------------------------------------------------------------------

CAPTION = re.compile(
    r"Shot \d+ \((?P<start>[\d.]+)-(?P<stop>[\d.]+) s\): (?P<content>.*?) ?Camera: (?P<camera>[\w ]+)\."
    r"(?: Characters: (?P<names>[\w, ]+)\.)?"
)
ACTOR = re.compile(r"(\w+), (an? [^,]+), (moves right|moves left|stays)\.")


def truth(film: ToyFilm) -> list[ShotRecord]:
    """What a perfect curation would find in a toy film."""
    records = []
    for place in film.shots:
        shot, cast = film.shot(place), film.scenes[place.scene].characters
        follows = shot.camera == "follow"
        pans = follows or shot.camera.startswith("pan")
        width = FRAMINGS[shot.framing] * ASPECT
        camera = ("pan right" if shot.camera_speed > 0 else "pan left") if follows else shot.camera
        actors = []
        for role in shot.roles:
            actor = cast[role.character]
            look = f"a {actor.body} {actor.colour} creature with {actor.headgear}"
            speed = (role.speed - shot.camera_speed * pans) / width
            actors.append(Actor("AB"[role.character], look, speed=speed))
        records.append(
            ShotRecord(
                place.start,
                place.stop,
                camera=Camera(camera, abs(shot.camera_speed) / (width if pans else 1)),
                characters=tuple(actors),
                scene=place.scene,
            )
        )
    return records


@pytest.mark.parametrize("seed", range(5))
def test_captions_of_toy_films_parse_back_to_the_truth(seed):
    film = sample_film(seed, num_shots=12)
    records = write_contents(truth(film))
    places = {(place.start, place.stop): place for place in film.shots}
    seen = 0
    for passage in map(describe_passage, join_shots(records, 180)):
        caption = entry_of(passage, Film(Path("film.mp4"), film.fps, 0), "CC0")["caption"]
        found = list(CAPTION.finditer(caption))
        assert len(found) == len(passage.shots)
        begin = passage.shots[0].start
        for shot, told in zip(passage.shots, found):
            assert float(told["start"]) == pytest.approx((shot.start - begin) / film.fps, abs=0.051)
            assert float(told["stop"]) == pytest.approx((shot.stop - begin) / film.fps, abs=0.051)
            place = places[shot.start, shot.stop]
            filmed, cast = film.shot(place), film.scenes[place.scene].characters
            assert told["camera"] == filmed.camera or (filmed.camera == "follow" and told["camera"].startswith("pan"))
            does = {"walks right": "moves right", "walks left": "moves left"}
            wanted = [
                (
                    "AB"[role.character],
                    cast[role.character].description.partition(" is ")[2].rstrip("."),
                    does.get(role.action, "stays"),
                )
                for role in filmed.roles
            ]
            assert ACTOR.findall(told["content"]) == wanted
            assert (told["names"] or "").split(", ") == [name for name, _, _ in wanted]
            for name, look, _ in wanted:
                assert f"{name} is {look}." in caption[: found[0].start()]
            seen += 1
    assert seen == 12


@pytest.mark.parametrize(
    ("speed", "camera", "words"),
    [
        (0.2, Camera(), "A, a red figure, moves right."),
        (-0.2, Camera(), "A, a red figure, moves left."),
        (0.01, Camera(), "A, a red figure, stays."),
        (0.0, Camera("pan left", 0.2), "A, a red figure, moves left."),  # the camera follows them
        (-0.2, Camera("pan right", 0.2), "A, a red figure, stays."),  # the camera passes them
        (0.0, Camera("zoom in", 0.2), "A, a red figure, stays."),
    ],
)
def test_who_moves_is_told_apart_from_what_the_camera_does(speed, camera, words):
    assert (
        describe_shot(ShotRecord(0, 9, camera=camera, characters=(Actor("A", "a red figure", speed=speed),))) == words
    )


def test_what_another_step_wrote_stays_and_a_rejected_shot_has_no_text():
    actor = (Actor("A", "a red figure"),)
    written, rejected = ShotRecord(0, 9, content="It rains.", characters=actor), ShotRecord(9, 12, "black")
    assert write_contents([written, rejected]) == [written, rejected]


def test_a_passage_is_described_by_its_colours_and_by_what_its_actors_mostly_look_like():
    green, grey = (0.6, -0.4, 0.4), (0.5, 0.0, 0.0)
    looks = ["a red figure", "a tall red figure", "a tall red figure"]
    shots = [
        ShotRecord(i, i + 1, characters=(Actor("A", look),), features=(*green * 2, *grey))
        for i, look in enumerate(looks)
    ]
    assert describe_passage(Passage(tuple(shots))).description == "A scene in green and grey. A is a tall red figure."
    assert describe_passage(Passage((ShotRecord(0, 9),))).description == ""


# -- language models ---------------------------------------------------------------------------------------------------

NOTED = Passage(
    (
        ShotRecord(0, 20, characters=(Actor("A", "a red figure"), Actor("B", "a blue figure")), content="A stays."),
        ShotRecord(20, 40, characters=(Actor("B", "a blue figure"),), content="B moves left."),
    ),
    "A is a red figure. B is a blue figure.",
)
GOOD = {
    "description": "A red figure, A, meets a blue one, B.",
    "shots": [{"shot": 1, "description": "A waits for B."}, {"shot": 2, "description": "B walks away."}],
}


def changed(**values: object) -> str:
    return json.dumps(GOOD | values)


def test_an_endpoint_that_answers_garbage_then_another_schema_then_right_is_taken_at_its_third_word(monkeypatch):
    monkeypatch.setenv(KEY, "secret")
    with Server(
        "I'd rather not.", '{"description": "A walks."}', f"<think>{{}}</think>```json\n{changed()}\n```"
    ) as server:
        passage = Rewriter(open_model(server.setting))(NOTED)
    assert passage.description == GOOD["description"] and passage.told_by == "a-model:8b"
    assert [shot.content for shot in passage.shots] == ["A waits for B.", "B walks away."]
    assert [replace(shot, content="") for shot in passage.shots] == [replace(shot, content="") for shot in NOTED.shots]
    path, headers, body = server.asked[-1]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer secret"
    assert body["model"] == "a-model:8b" and '"B": "a blue figure"' in body["messages"][0]["content"]
    roles, texts = zip(*((message["role"], message["content"]) for message in body["messages"]))
    assert roles == ("user", "assistant", "user", "assistant", "user")
    assert texts[1] == "I'd rather not." and "no JSON object" in texts[2] and "shots: Field required" in texts[4]


def test_where_no_answer_fits_the_template_stays_and_the_log_says_so(caplog):
    with Server("no") as server:
        assert Rewriter(Endpoint(server.setting))(NOTED) == NOTED
    assert len(server.asked) == 3
    assert "frames 0 to 39" in caplog.text and "no JSON object" in caplog.text and "a-model:8b" in caplog.text


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("[1, 2]", "no JSON object"),
        ("{", "no JSON object"),
        ('{"description": "A waits." "shots": []}', "Invalid JSON"),
        (changed(mood="sad"), "mood: Extra inputs"),
        (changed(description=7), "description: Input should be a valid string"),
        (changed(description=""), "description: String should have at least 1"),
        (changed(description="A " * 400), "at most 600"),
        (changed(description="A\nwaits."), "one line"),
        (changed(description="A waits. Camera: static"), "leave out 'Camera:'"),
        (changed(shots=GOOD["shots"][:1]), r"numbers \[1, 2\], each once and in this order, not \[1\]"),
        (changed(shots=GOOD["shots"][::-1]), r"not \[2, 1\]"),
        (changed(shots=[*GOOD["shots"], {"shot": 3, "description": "B rests."}]), r"not \[1, 2, 3\]"),
        (changed(description="A and C meet."), "description: names C, who is not there; there is A, B"),
        (changed(description="A meets Tom."), "names Tom"),
        (changed(shots=[GOOD["shots"][0], {"shot": 2, "description": "B2 waits."}]), "shot 2: names B2"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_the_reason(answer, reason, caplog):
    class Model:
        name = "one"

        def __call__(self, messages: list) -> str:
            return answer

    assert Rewriter(Model(), tries=1)(NOTED) == NOTED
    assert re.search(reason, caplog.text)


def test_plain_words_are_no_names():
    text = {"description": "A, an X-ray of a T-shirt. A figure waits.", "shots": GOOD["shots"]}
    assert parse_answer(json.dumps(text), PassageText).description == text["description"]
    assert (
        Rewriter(type("Model", (), {"name": "", "__call__": lambda self, _: json.dumps(text)})())(NOTED).told_by == ""
    )


def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(monkeypatch):
    monkeypatch.setattr(endpoint, "WAITS", (0.01, 0.01))
    with Server(503, 429, changed()) as server:
        assert Rewriter(Endpoint(server.setting))(NOTED).told_by == "a-model:8b"
        server.answers = [500]
        with pytest.raises(BackendError, match="HTTP 500"):
            Endpoint(server.setting)([])
        assert len(server.asked) == 6
    for answer, reason in [
        (401, f"HTTP 401.*{KEY}"),
        (404, "HTTP 404"),
        (302, "HTTP 302"),
        (b"<html>", "OpenAI's form"),
    ]:
        with Server(answer) as server, pytest.raises(BackendError, match=reason):
            Endpoint(server.setting)([])
        assert len(server.asked) == 1
    with pytest.raises(BackendError, match="start it or wait"):
        Endpoint(server.setting)([])  # it is gone


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("https://host/v1", "give an address and a model"),
        ("ftp://host/v1#model", "give an address and a model"),
        ("https://#model", "give an address and a model"),
        ("http://host:99999/v1#model", "give an address and a model"),
        ("https://me:secret@host/v1#model", "environment variable"),
    ],
)
def test_a_setting_that_is_no_endpoint_is_refused_before_the_work(setting, reason):
    with pytest.raises(BackendError, match=reason) as caught:
        Curation(llm=setting)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["secret\nX-Other: 1", "s\u00e9cret"])
def test_a_key_that_can_not_be_sent_is_refused_and_not_shown(key, monkeypatch):
    monkeypatch.setenv(KEY, key)
    with pytest.raises(BackendError, match=f"{KEY} holds a character") as caught:
        Endpoint("http://127.0.0.1:9/v1#model")([])
    assert "cret" not in str(caught.value)


def test_a_dataset_is_told_by_a_language_model_once(tmp_path):
    film = sample_film(3, num_shots=2, soft=0.0)
    write_video(tmp_path / "toy.mp4", film.frames(Size(96, 54)), film.fps)

    def run(name: str, **options: object) -> list[dict]:
        curate_films([tmp_path / "toy.mp4"], tmp_path / name, Curation(Size(32, 16), "fast", **options))
        return [json.loads(line) for line in (tmp_path / name / "metadata.jsonl").read_text().splitlines()]

    plain = run("plain")
    assert {entry["told_by"] for entry in plain} == {"template"}
    count = len(plain[0]["shots"])
    text = {"description": "It rains.", "shots": [{"shot": i + 1, "description": f"Drop {i}."} for i in range(count)]}
    with Server(json.dumps(text)) as server:
        told = run("told", llm=server.setting)
        asked = len(server.asked)
        assert run("told", llm=server.setting) == told and len(server.asked) == asked
    assert told[0]["told_by"] == "a-model:8b" and told[0]["description"] == "It rains."
    assert [shot["description"] for shot in told[0]["shots"]] == [f"Drop {i}." for i in range(count)]
    for one, other in zip(plain, told):
        assert one["cuts"] == other["cuts"] and [s["camera"] for s in one["shots"]] == [
            s["camera"] for s in other["shots"]
        ]
    with pytest.raises(ValueError, match="choose another dataset"):
        run("told")


# -- models on this machine --------------------------------------------------------------------------------------------

TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    """A Llama of random weights with a tokenizer of letters, as save_pretrained leaves them."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    letters = {chr(code): code - 32 for code in range(32, 127)} | {"\n": 95, "<unk>": 96}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", chat_template=TEMPLATE)
    fast.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=97,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=None,
            eos_token_id=None,
            max_position_embeddings=8192,
            initializer_range=1.0,  # or the last letter alone would decide the next one
        )
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def test_a_text_model_in_a_folder_answers_and_its_nonsense_leaves_the_template(text_model, caplog, monkeypatch):
    from smartdirector_lite.curation.backends import local

    monkeypatch.setattr(local, "MAX_NEW_TOKENS", 24)
    model = open_model(str(text_model))
    first = model([{"role": "user", "content": "Say something."}])
    assert len(first) > 0 and first == model([{"role": "user", "content": "Say something."}])
    assert first != model([{"role": "user", "content": "Say something else, please."}])
    assert Rewriter(model)(NOTED) == NOTED and "did not fit" in caplog.text


def test_a_text_model_that_can_not_be_used_is_refused(text_model, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    for setting, reason in [
        ("nowhere", "no such folder"),
        ("owner/name", "hf download"),
        (str(tmp_path), "can't be loaded"),
    ]:
        with pytest.raises(ValueError, match=reason):
            open_model(setting)
    for name in ("mute", "partial"):
        shutil.copytree(text_model, tmp_path / name)
    weights = load_file(tmp_path / "partial/model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, tmp_path / "partial/model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"model\.norm\.weight is missing"):
        open_model(str(tmp_path / "partial"))
    (tmp_path / "mute/chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="no chat template"):
        open_model(str(tmp_path / "mute"))
