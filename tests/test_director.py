"""From a storyboard to a result: the tiny random model, real storyboards."""

import contextlib
import dataclasses
import errno
import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from decodes import count_decodes
from PIL import Image, ImageOps
from tiny import random_restorer

from smartdirector_lite.director import Defaults, Director
from smartdirector_lite.gen.conditions import VideoCondition
from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.gen.transformer import DirectorTransformer3DModel
from smartdirector_lite.loading.loader import load_director
from smartdirector_lite.media import MediaError, count_frames, probe_video, read_image, write_video
from smartdirector_lite.media import result as results
from smartdirector_lite.media.sheets import KEYFRAME_COLOUR
from smartdirector_lite.media.size import Size
from smartdirector_lite.report import Report
from smartdirector_lite.sr.pipeline import DirectorSRPipeline
from smartdirector_lite.storyboard import Clip, Keyframe, Shot, Storyboard, Take
from smartdirector_lite.timeline import ChunkPlan, Condition

SIZE = Size(48, 32)
WIDTH, HEIGHT = SIZE


def picture(seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def footage(num_frames: int) -> np.ndarray:
    return np.stack([np.asarray(picture(100 + i)) for i in range(num_frames)])


@pytest.fixture
def tiny(gen) -> Director:
    return Director(gen, defaults=Defaults(2, 2.0, SIZE, 12))


@pytest.fixture(scope="module")
def story() -> Storyboard:
    """14 frames: a keyframe, a cut, a clip of 3 frames, and a last keyframe."""
    return Storyboard(
        description="a red ball rolls over the hill",
        shots=(Shot(), Shot(start_frame=5, description="a blue bird jumps")),
        keyframes=(Keyframe(picture(1), frame=13), Keyframe(picture(2, (96, 64)), frame=0)),
        clips=(Clip(footage(4), frame=7, trim_frames=(1, 4)),),
        num_frames=14,
    )


def make(director: Director, story: Storyboard, **options):
    return director(story, progress=False, **options)


def test_the_video_is_that_of_the_pipeline(tiny, story):
    """Frame by frame decoding to bytes gives what the pipeline's own output gives."""
    result = make(tiny, story, seed=3)
    conditions = [
        VideoCondition(image=picture(1), frame_index=13),
        VideoCondition(image=picture(2, (96, 64)), frame_index=0),
        VideoCondition(video=footage(4)[1:], frame_index=7),
    ]
    expected = tiny.gen(
        story.caption(),
        height=HEIGHT,
        width=WIDTH,
        num_frames=14,
        num_inference_steps=2,
        guidance_scale=2.0,
        generator=torch.Generator().manual_seed(3),
        conditions=conditions,
        cuts=[5],
    ).frames[0]
    assert result.frames.dtype == np.uint8 and result.frames.shape == (14, HEIGHT, WIDTH, 3)
    assert np.abs(result.frames - expected * 255).max() <= 0.5 + 1e-3
    assert result.draft is result.frames and result.fps == 12
    assert result.plan == story.plan(4) == tiny.plan(story)
    assert [chunk.start for chunk in result.plan.chunks] == [0, 5, 7, 10, 13]


def test_the_same_seed_gives_the_same_video(tiny, story):
    first = make(tiny, story, seed=5)
    torch.manual_seed(99)  # the global state plays no part
    assert np.array_equal(first.frames, make(tiny, story, seed=5).frames)
    free = [frame for frame in range(14) if frame not in (0, 7, 8, 9, 13)]
    for change in (
        {"seed": 6},
        {"seed": 5, "steps": 3},
        {"seed": 5, "rope": "restart"},
        {"seed": 5, "guidance_scale": 6.0},
    ):
        assert not np.array_equal(first.frames[free], make(tiny, story, **change).frames[free]), change


def test_each_stage_takes_the_scheme_of_its_weights_unless_one_is_named(both, story, monkeypatch):
    seen, rotary = [], DirectorTransformer3DModel.rotary
    spy = lambda self, tau, *args, **options: seen.append(list(tau)) or rotary(self, tau, *args, **options)  # noqa: E731
    monkeypatch.setattr(DirectorTransformer3DModel, "rotary", spy)
    gen = DirectorGenPipeline.from_pipe(both.gen, tau_scheme="continuous")
    for rope, schemes in ((None, ("continuous", "frame_time")), ("restart", ("restart", "restart"))):
        make(dataclasses.replace(both, gen=gen), story, rope=rope)
        plan = both.plan(story)
        assert [*dict.fromkeys(map(tuple, seen))] == [*dict.fromkeys(tuple(plan.tau(scheme)) for scheme in schemes)]
        seen.clear()


def test_the_report_knows_every_given_frame(tiny, story):
    report = make(tiny, story).report
    assert [keyframe.frame for keyframe in report.keyframes] == [0, 7, 8, 9, 13]
    for keyframe in report.keyframes:  # pinned: nothing is lost but what the VAE loses
        assert keyframe.l1_reconstruction < 0.01 and keyframe.psnr_reconstruction > 60
        assert keyframe.l1 > 1  # a random VAE loses much
    assert [border.frame for border in report.borders] == [5, 7, 10, 13]
    assert {border.verdict for border in report.borders if border.frame == 5} <= {"cut", "no cut"}


def test_text_alone_is_enough_and_defaults_are_the_directors(gen):
    director = Director(gen, defaults=Defaults(1, 1.0, Size(32, 16), 12))
    seen = []
    handle = gen.transformer.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape))
    try:
        result = make(director, Storyboard(description="a blue bird jumps", num_frames=6, fps=24))
    finally:
        handle.remove()
    assert [tuple(shape) for shape in seen] == [(1, 8, 3, 2, 4)]  # one step, one pass, 32x16
    assert result.frames.shape == (6, 16, 32, 3) and result.fps == 24
    assert result.report.keyframes == () and result.report.borders == ()
    assert result.report.notes == ("the storyboard has 24 frames a second; the model was made for 12",)
    sized = make(director, Storyboard(description="x", num_frames=2, size=(64, 48)))
    assert sized.frames.shape == (2, 48, 64, 3) and sized.report.notes == ()


def test_negative_text_and_progress_reach_the_pipeline(tiny, capsys):
    plain = tiny(Storyboard(description="a red ball", num_frames=2))
    assert "Director-Gen" in (bar := capsys.readouterr().err) and "2/2" in bar
    negative = make(tiny, Storyboard(description="a red ball", num_frames=2, negative="blue night"))
    assert capsys.readouterr().err == ""
    assert not np.array_equal(plain.frames, negative.frames)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be from 0 to 9223372036854775807, got -1"),
        ({"seed": 2**63}, "seed must be from 0 to"),
        ({"watch": 3}, "watch is a int; give a function"),
        ({"guidance_scale": "2"}, "guidance_scale must be a number from 0 to 100, got '2'"),
        ({"seed": 1.5}, "seed must be a whole number, got 1.5"),
        ({"steps": 0}, "num_inference_steps must be from 1 to 1000, got 0"),
        ({"guidance_scale": float("inf")}, "guidance_scale must be a number from 0 to 100, got inf"),
        ({"rope": "sinus"}, "tau scheme must be one of"),
    ],
)
def test_bad_options_are_refused(tiny, story, options, message, monkeypatch):
    monkeypatch.setattr(tiny.gen.transformer, "forward", None)
    with pytest.raises(ValueError, match=message):
        make(tiny, story, **options)


def test_bad_storyboards_are_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"storyboard is a PosixPath|WindowsPath; give Storyboard.load\(path\)"):
        make(tiny, tmp_path)
    with pytest.raises(ValueError, match="size 50x30: the sides must be multiples of 16x16; the nearest size is 48x32"):
        make(tiny, Storyboard(description="x", num_frames=2, size=(50, 30)))


def test_a_model_that_breaks_down_is_no_video(wan_folder, story):
    broken = DirectorGenPipeline.from_pretrained(wan_folder)
    broken.transformer.proj_out.bias.data[0] = float("nan")
    with pytest.raises(FloatingPointError, match="not finite"):
        make(Director(broken, defaults=Defaults(1, 1.0, SIZE)), story)


def test_a_negative_that_has_no_effect_is_noted(tiny):
    story = Storyboard(description="x", num_frames=2, fps=12, negative="blue")
    note = "the storyboard's negative had no effect: guidance_scale is 1; take more than 1"
    assert make(tiny, story, guidance_scale=1).report.notes == (note,)
    assert make(tiny, story, guidance_scale=1.5).report.notes == ()
    plain = Storyboard(description="x", num_frames=2, fps=12)
    assert make(tiny, plain, guidance_scale=1).report.notes == ()
    at_one = Director(tiny.gen, defaults=Defaults(1, 1.0, SIZE, 12))
    assert make(at_one, story).report.notes == (note,)


def test_a_result_knows_the_files_that_it_was_made_from(tiny, tmp_path):
    story = Storyboard(description="x", num_frames=2, keyframes=(Keyframe(picture(), frame=0),))
    assert make(tiny, story).inputs == ()
    story.save(tmp_path / "story.json")
    loaded = Storyboard.load(tmp_path / "story.json")
    result = make(tiny, loaded)
    assert result.inputs == loaded.files and {Path(path).suffix for path in result.inputs} == {".json", ".png"}


@contextlib.contextmanager
def little_memory(more: int):
    """Let this process have `more` bytes of address space beyond what it has."""
    resource = pytest.importorskip("resource")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux limits a process so")
@pytest.mark.parametrize("num_frames", [1, 400])
def test_too_little_memory_on_a_cpu_says_what_to_do(tiny, num_frames):
    """One frame is refused by torch's allocator or oneDNN's, the frames of a long clip by numpy's."""
    clips = () if num_frames == 1 else (Clip(np.broadcast_to(np.uint8(9), (num_frames, 1024, 1024, 3)), frame=0),)
    story = Storyboard(description="x", num_frames=num_frames, size=(1024, 1024), clips=clips)
    with little_memory(100_000_000), pytest.raises(MemoryError) as caught:
        make(tiny, story, steps=1)
    message = str(caught.value)
    assert f"the computer's memory does not suffice for {num_frames} frames of 1024x1024; take a smaller" in message
    assert "\n" not in message
    assert make(tiny, Storyboard(description="x", num_frames=1)).frames.shape == (1, HEIGHT, WIDTH, 3)


def test_an_error_of_another_kind_is_not_taken_for_too_little_memory(tiny, story, monkeypatch):
    def fails(*args, **options):
        raise RuntimeError("something else")

    monkeypatch.setattr(tiny.gen.transformer, "forward", fails)
    with pytest.raises(RuntimeError, match="something else"):
        make(tiny, story)


# ---------------------------------------------------------------- several threads


def in_threads(*calls) -> list:
    """What each call returns, all of them begun together; an exception stands for itself."""
    made, start = [None] * len(calls), threading.Barrier(len(calls))

    def run(i: int) -> None:
        start.wait()
        try:
            made[i] = calls[i]()
        except Exception as error:
            made[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


def test_calls_from_several_threads_wait_for_each_other(tiny, both, story):
    def draft(gen: DirectorGenPipeline, steps: int):
        size = {"height": HEIGHT, "width": WIDTH, "num_frames": 5}
        return gen("hills", **size, num_inference_steps=steps, generator=torch.Generator().manual_seed(steps)).frames

    beside = DirectorGenPipeline.from_pipe(tiny.gen)
    calls = [
        lambda: make(tiny, story, seed=1, steps=4).frames,
        lambda: make(tiny, story, seed=2, steps=3).frames,
        lambda: draft(tiny.gen, 5),
        lambda: draft(beside, 6),  # another pipeline with the same scheduler
        lambda: both.sr(list(footage(3)), num_inference_steps=2).frames,
    ]
    expected = [call() for call in calls]
    for made, alone in zip(in_threads(*calls), expected, strict=True):
        assert np.array_equal(made, alone), made


def test_a_call_that_fails_lets_the_next_one_go_on_and_a_callback_may_call(tiny):
    story = Storyboard(description="x", num_frames=2)
    inner = []

    def watch(progress):
        if progress.stage == "decode" and not inner:
            inner.append(make(tiny, story).frames)

    assert np.array_equal(make(tiny, story, watch=watch).frames, inner[0])

    def stop(progress):
        raise KeyError("enough")

    failed, made = in_threads(lambda: make(tiny, story, watch=stop), lambda: make(tiny, story).frames)
    assert isinstance(failed, KeyError) and np.array_equal(made, inner[0])


# ---------------------------------------------------------------- both stages


@pytest.fixture(scope="module")
def both(two_stage_folder) -> Director:
    return load_director(two_stage_folder, device="cpu")


def test_the_second_stage_doubles_the_size_and_keeps_the_draft(both, story):
    calls = []
    handle = both.sr.transformer.register_forward_pre_hook(lambda module, args: calls.append(args[0].shape))
    try:
        result = make(both, story, seed=3)
    finally:
        handle.remove()
    assert result.frames.shape == (14, 2 * HEIGHT, 2 * WIDTH, 3) and result.frames.dtype == np.uint8
    assert [tuple(shape[-2:]) for shape in calls] == [(8, 12)] * 2  # the whole frame, in two steps
    first = make(Director(both.gen, defaults=Defaults(2, 2.0, SIZE, 12)), story, seed=3)
    assert np.array_equal(result.draft, first.frames)
    assert np.array_equal(result.frames, make(both, story, seed=3, stage="all").frames)


def test_the_video_is_what_the_second_pipeline_makes_of_the_drafts_latents(both, story):
    result = make(both, story, seed=3)
    small, large = (
        [
            VideoCondition(video=frames, frame_index=place.frame_index)
            for place, frames in zip(story.conditions, Take.of(story, size, 4).frames, strict=True)
        ]
        for size in ((WIDTH, HEIGHT), (2 * WIDTH, 2 * HEIGHT))
    )
    options = {"num_frames": 14, "cuts": [5]}
    latents = both.gen(
        story.caption(),
        height=HEIGHT,
        width=WIDTH,
        num_inference_steps=2,
        guidance_scale=2.0,
        generator=torch.Generator().manual_seed(3),
        conditions=small,
        output_type="latent",
        **options,
    ).frames
    expected = both.sr(latents=latents, conditions=large, num_inference_steps=2, **options).frames[0]
    assert np.abs(result.frames - expected * 255).max() <= 1


def test_a_second_stage_trained_on_enlarged_frames_is_given_the_drafts_frames(both, story):
    parts = {**both.sr.components, "upsample": "pixel", "restorer": random_restorer()}
    pixel = Director(both.gen, DirectorSRPipeline(**parts), Defaults(2, 2.0, SIZE, 12, 2))
    result = make(pixel, story, seed=3)
    assert np.array_equal(result.draft, make(both, story, seed=3).draft)
    large = [
        VideoCondition(video=frames, frame_index=place.frame_index)
        for place, frames in zip(story.conditions, Take.of(story, (2 * WIDTH, 2 * HEIGHT), 4).frames, strict=True)
    ]
    expected = pixel.sr(result.draft, large, num_inference_steps=2, cuts=[5]).frames[0]
    assert np.abs(result.frames - expected * 255).max() <= 1
    assert all(keyframe.l1 < 0.01 for keyframe in result.report.keyframes)  # shown as they were given


def test_each_picture_and_clip_is_decoded_once_in_both_stages(both, tmp_path, monkeypatch):
    """From files: none while the storyboard is loaded, planned or moved, and one each while its video is made."""
    for i in range(3):
        picture(i, (120, 80)).save(tmp_path / f"{i}.png")
    write_video(tmp_path / "walk.mp4", np.repeat(footage(4), 2, axis=0), 12)
    keyframes = [{"frame": 0, "image": "0.png"}, {"frame": 6, "image": "1.png"}, {"frame": 13, "image": "2.png"}]
    story = {"description": "x", "num_frames": 14, "keyframes": keyframes}
    story["clips"] = [{"frame": 8, "video": "walk.mp4", "trim_frames": [1, 4]}]
    (tmp_path / "story.json").write_text(json.dumps(story))
    seen = count_decodes(monkeypatch)
    loaded = Storyboard.load(tmp_path / "story.json")
    moved = loaded.retime(frames=[0, 5, 12, 8])
    both.plan(loaded), both.plan(moved), loaded.caption()
    assert seen.pictures == [] and seen.videos == []
    result = make(both, loaded, seed=1)
    assert sorted(seen.pictures) == ["0.png", "1.png", "2.png"] and seen.videos == ["walk.mp4"]
    assert [keyframe.frame for keyframe in result.report.keyframes] == [0, 6, 8, 9, 10, 13]


def test_keyframes_are_pinned_in_full_size(both, story):
    """Each comes back as what diffusers' own VAE makes of the large picture alone."""
    result = make(both, story)
    for frame, image in ((13, picture(1)), (0, picture(2, (96, 64)))):
        large = ImageOps.fit(image, (2 * WIDTH, 2 * HEIGHT), Image.Resampling.LANCZOS)
        video = torch.from_numpy(np.array(large)).permute(2, 0, 1)[None, :, None] / 127.5 - 1
        with torch.no_grad():
            decoded = both.gen.vae.decode(both.gen.vae.encode(video).latent_dist.mode()).sample
        expected = ((decoded[0, :, 0].permute(1, 2, 0).clamp(-1, 1) + 1) * 127.5).numpy()
        assert np.abs(result.frames[frame] - expected).max() <= 0.6
    assert [keyframe.frame for keyframe in result.report.keyframes] == [0, 7, 8, 9, 13]
    assert max(keyframe.l1_reconstruction for keyframe in result.report.keyframes) < 0.01


def test_the_first_stage_alone_skips_the_second(both, story, monkeypatch):
    monkeypatch.setattr(both.sr.transformer, "forward", None)
    result = make(both, story, stage="gen")
    assert result.frames.shape == (14, HEIGHT, WIDTH, 3) and result.draft is result.frames
    for stage in ("sr", "", None):
        with pytest.raises(ValueError, match=f"stage must be one of all, gen, got {stage!r}"):
            make(both, story, stage=stage)


def test_a_keyframe_that_is_cut_is_noted_in_the_size_that_is_made(both, tiny):
    story = Storyboard(description="x", num_frames=3, keyframes=(Keyframe(picture(1, (64, 64)), frame=1),))
    cut = "keyframes[0] is 64 x 64: its middle was cut out, in the shape of"
    assert make(both, story).report.notes == (f"{cut} 96 x 64",)
    assert make(both, story, stage="gen").report.notes == make(tiny, story).report.notes == (f"{cut} 48 x 32",)


def test_each_stage_shows_its_own_bar(both, capsys):
    both(Storyboard(description="a red ball", num_frames=2))
    shown = capsys.readouterr().err
    assert "Director-Gen" in shown and "Director-SR" in shown


# ---------------------------------------------------------------- what is saved


@pytest.fixture(scope="module")
def result(session_gen, story):
    return make(Director(session_gen, defaults=Defaults(1, 1.0, SIZE)), story)


def test_save_writes_a_video_a_sheet_and_a_report(result, tmp_path):
    (tmp_path / "story.json").write_text("the storyboard itself")
    paths = result.save(tmp_path / "story.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*(path.name for path in paths), "story.json"])
    assert [path.name for path in paths] == ["story.mp4", "story.sheet.png", "story.report.json"]
    assert (tmp_path / "story.json").read_text() == "the storyboard itself"
    info = probe_video(paths[0])
    assert (*info.size, info.fps, count_frames(paths[0])) == (WIDTH, HEIGHT, 12, 14)
    assert read_image(paths[1]).size == result.sheet().size
    saved = json.loads(paths[2].read_text())
    assert saved["num_frames"] == 14 and saved["fps"] == 12
    assert [keyframe["frame"] for keyframe in saved["keyframes"]] == [0, 7, 8, 9, 13]
    assert [border["frame"] for border in saved["borders"]] == [5, 7, 10, 13]
    result.save(str(tmp_path / "story.mp4"))  # again, over what is there


@pytest.mark.parametrize("failing", ["write_video", "write_image", "write_json"])
def test_what_fails_leaves_nothing_behind(result, tmp_path, monkeypatch, failing):
    original = getattr(results, failing)

    def fail_after_writing(*args, **kwargs):
        original(*args, **kwargs)
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(results, failing, fail_after_writing)
    (tmp_path / "a.mp4").write_text("an older video")
    with pytest.raises(MediaError, match=r"disk full"):
        result.save(tmp_path / "a.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_text() == "an older video"


def test_names_that_can_not_be_saved_to(result, tmp_path):
    with pytest.raises(MediaError, match=r"out.avi: videos are written as .mp4"):
        result.save(tmp_path / "out.avi")
    with pytest.raises(MediaError, match=r"the folder .*missing does not exist"):
        result.save(tmp_path / "missing" / "out.mp4")
    (tmp_path / "dir.mp4").mkdir()
    with pytest.raises(MediaError, match="is a folder"):
        result.save(tmp_path / "dir.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["dir.mp4"]


def colours(image: Image.Image) -> int:
    """Pixels of the colour that frames what was given."""
    orange = np.array([int(KEYFRAME_COLOUR[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.asarray(image) == orange).all(axis=-1).sum())


def test_sheet_frames_what_was_given(result):
    one_frame = (WIDTH + 8) * (HEIGHT + 8) - WIDTH * HEIGHT  # a gap of 4 pixels on each side
    assert colours(result.sheet(count=14)) == 5 * one_frame
    assert colours(result.sheet(count=1)) == one_frame
    assert colours(result.sheet(count=3)) == 3 * one_frame  # 0, 7 and 13: the first of each condition


def test_sheet_of_many_conditions_stays_small():
    frames = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    plan = ChunkPlan.build(60, [Condition(frame) for frame in range(0, 60, 2)])
    result = results.DirectorResult(frames, frames, 12, plan, Report((), ()))
    few = results.DirectorResult(frames, frames, 12, ChunkPlan.build(60), Report((), ()))
    assert result.sheet(count=10).size == few.sheet(count=10).size
