"""The toy world: the same seed gives the same film at any size, and its truth is what the pixels show."""

import dataclasses
import importlib
import itertools

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.media.size import Size
from smartdirector_lite.toyworld import (
    HELD_OUT_SEED,
    Box,
    Scene,
    Screen,
    render,
    sample_scene,
    scene_truth,
    track_shot,
)
from smartdirector_lite.toyworld.canvas import Canvas, ellipse
from smartdirector_lite.toyworld.glyphs import ALPHABET, glyph_texture
from smartdirector_lite.toyworld.sampling import MAX_PAN, MAX_ZOOM
from smartdirector_lite.toyworld.scene import FRAMINGS, WORDS

LOW, HIGH = Size(112, 64), Size(448, 256)


def scene_where(condition, num_frames: int = 25, num_shots: int | None = 1, start: int = 0) -> Scene:
    """The first scene, by seed, of which the condition holds."""
    scenes = (sample_scene(seed, num_frames, num_shots) for seed in itertools.count(start))
    return next(scene for scene in scenes if condition(scene))


def with_shot(scene: Scene, **changes) -> Scene:
    """A one-shot scene with its shot changed."""
    return dataclasses.replace(scene, shots=(dataclasses.replace(scene.shots[0], **changes),))


# -- scenes ------------------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_scene_and_the_same_pixels():
    one, two, other = sample_scene(5, 25), sample_scene(5, 25), sample_scene(6, 25)
    assert one == two and one != other
    assert torch.equal(render(one, LOW, frames=slice(0, 4)), render(two, LOW, frames=slice(0, 4)))


def test_held_out_seeds_stay_what_they_are():
    """Benches and model cards name them: a change here makes their figures worthless."""
    assert HELD_OUT_SEED == 1_000_000
    scene = sample_scene(HELD_OUT_SEED, 49)
    wanted = "A snowy field. Pia is a round pink creature with horns. Wilma is a tall white creature with a tuft."
    assert scene.description == wanted
    captions = [scene.shot_caption(i)["description"] for i in range(len(scene.shots))]
    assert captions == ["Wilma waves. Pia walks right.", "Pia walks right."]


@pytest.mark.parametrize("num_shots", [1, 2, 3])
def test_shots_divide_the_scene_and_none_is_short(num_shots):
    for seed in range(100):
        scene = sample_scene(seed, 40, num_shots)
        assert [shot.start for shot in scene.shots] == [0, *scene.cuts] and scene.num_frames == 40
        assert all(one.stop == two.start for one, two in itertools.pairwise(scene.shots))
        assert min(shot.stop - shot.start for shot in scene.shots) >= 40 / num_shots / 2 - 1
        assert all(one.framing != two.framing for one, two in itertools.pairwise(scene.shots))


def test_the_shortest_scenes_can_be_drawn():
    for seed in range(50):
        scene = sample_scene(seed, 7, 3)
        assert all(shot.start < shot.stop for shot in scene.shots)
        assert len(scene_truth(scene, LOW)) == 7


def test_captions_say_who_does_what_and_how_it_is_filmed():
    for seed in range(60):
        scene = sample_scene(seed, 49)
        assert scene.setting.name in scene.description.lower()
        assert (scene.sign is None) == ("sign" not in scene.description)
        assert scene.sign is None or f"A sign says {scene.sign}." in scene.description
        for character in scene.characters:
            wanted = f"{character.name} is a {character.body} {character.colour} creature with {character.headgear}."
            assert wanted in scene.description
        for i, shot in enumerate(scene.shots):
            caption = scene.shot_caption(i)
            assert caption["start_frame"] == shot.start
            assert caption["camera"].startswith(f"{shot.framing}, {shot.camera}")
            assert caption["characters"] == [scene.characters[role.character].name for role in shot.roles]
            for name, role in zip(caption["characters"], shot.roles, strict=True):
                assert f"{name} {role.action}." in caption["description"]
            if shot.camera == "follow":
                assert caption["camera"].endswith(f"follow {caption['characters'][0]}")
            assert (shot.prop is not None) == any(word in caption["description"] for word in ("ball", "balloon"))


def test_all_that_can_happen_happens():
    shots = [shot for seed in range(300) for shot in sample_scene(seed, 49).shots]
    assert {shot.framing for shot in shots} == set(FRAMINGS)
    assert len({shot.camera for shot in shots}) == 6
    assert len({role.action for shot in shots for role in shot.roles}) == 5
    assert {shot.prop.kind for shot in shots if shot.prop} == {"ball", "balloon"}
    assert {sample_scene(seed).sign for seed in range(300)} == {None, *WORDS}


def test_the_camera_of_a_long_shot_stays_with_its_cast():
    for seed in range(200):
        (shot,) = sample_scene(seed, 361, num_shots=1).shots
        travel = abs(shot.camera_speed) * 361 / 12
        assert travel <= (MAX_ZOOM if shot.camera.startswith("zoom") else MAX_PAN) + 1e-6 or shot.camera == "follow"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_frames": 3, "num_shots": 2}, "3 frames and 2 shots"),
        ({"num_frames": 9, "num_shots": 0}, "0 shots"),
        ({"num_frames": 1}, "1 frames"),
        ({"fps": 0.0}, "fps = 0"),
    ],
)
def test_impossible_scenes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sample_scene(0, **arguments)


# -- rendering ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [3, 7, 9])
def test_low_and_high_resolution_show_the_same(seed):
    scene = sample_scene(seed, 25)
    low = render(scene, LOW, frames=slice(0, 25, 12))
    high = render(scene, HIGH, frames=slice(0, 25, 12))
    assert low.shape == (3, 3, LOW.height, LOW.width) and low.min() >= 0 and low.max() <= 1
    shrunk = F.avg_pool2d(high, 4)
    error = (low - shrunk).abs()
    assert error.mean() < 0.004
    shifted = (low[..., :-1] - shrunk[..., 1:]).abs()
    assert error.mean() < shifted.mean() / 5  # to well under a pixel
    # and only the large one holds the fine detail
    assert (high - F.interpolate(low, scale_factor=4, mode="bilinear")).abs().mean() > 2 * error.mean()


@pytest.mark.parametrize("seed", [0, 3, 8, 11])
def test_a_crop_is_exactly_that_part_of_the_frame(seed):
    scene, frames = sample_scene(seed, 25), slice(2, 25, 9)
    whole = render(scene, LOW, frames=frames)
    for top, left, rows, columns in ((0, 0, 64, 112), (13, 27, 40, 51), (63, 111, 1, 1), (30, 0, 16, 112)):
        part = render(scene, LOW, crop=(top, left, rows, columns), frames=frames)
        assert torch.equal(part, whole[..., top : top + rows, left : left + columns])


@pytest.mark.parametrize("seed", [0, 3, 8])
def test_some_frames_are_exactly_those_of_the_whole(seed, monkeypatch):
    scene = sample_scene(seed, 30, num_shots=2)
    whole = render(scene, LOW)
    assert len(whole) == 30
    for frames in (slice(4, 9), slice(0, 30, 7), slice(-1, None), slice(29, 99)):
        assert torch.equal(render(scene, LOW, frames=frames), whole[frames])
    module = importlib.import_module("smartdirector_lite.toyworld.render")
    monkeypatch.setattr(module, "FRAMES_AT_ONCE", 64)
    assert torch.equal(render(scene, LOW), whole)  # as on a GPU: the windows are wider, the pixels are not others


def test_autocast_leaves_the_letters_alone():
    glyph_texture.cache_clear()
    with torch.autocast("cpu", torch.bfloat16):
        drawn = glyph_texture("K").clone()
    glyph_texture.cache_clear()
    assert drawn.dtype == torch.float32 and torch.equal(drawn, glyph_texture("K"))


def test_an_ellipse_has_no_hole_at_its_centre():
    scene = with_shot(sample_scene(0, 25, num_shots=1), camera="static", camera_x=0.0, camera_speed=0.0)
    canvas = Canvas(track_shot(scene, scene.shots[0]), Size(33, 33))
    w = canvas.everywhere
    middle = (float(w.x[0, 0, 16]), float(w.y[0, 16, 0]))
    assert ellipse(w, *middle, 0.5, 0.3)[0, 16, 16] < -0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": slice(25, 30)}, "frames"),
        ({"frames": slice(9, 0, -1)}, "ascending"),
        ({"crop": (0, 0, 65, 112)}, "crop"),
        ({"crop": (-1, 0, 8, 8)}, "crop"),
        ({"crop": (0, 0, 0, 8)}, "crop"),
        ({"size": Size(112, 0)}, "frame of 112x0"),
    ],
)
def test_what_cannot_be_rendered_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        render(sample_scene(0, 25), **{"size": LOW, **arguments})


def test_a_letter_without_a_glyph_is_named():
    with pytest.raises(ValueError, match="'Q' has no glyph"):
        glyph_texture("Q")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_the_gpu_renders_what_the_cpu_does():
    scene = sample_scene(3, 25)
    assert_close(render(scene, LOW, device="cuda").cpu(), render(scene, LOW), atol=2e-3, rtol=0)


def test_at_a_cut_the_picture_changes_and_the_cast_does_not():
    for seed in range(6):
        scene = sample_scene(HELD_OUT_SEED + seed, 36, num_shots=3)
        change = render(scene, LOW).diff(dim=0).abs().mean(dim=(1, 2, 3))
        at_cut = torch.zeros(35, dtype=torch.bool)
        at_cut[[cut - 1 for cut in scene.cuts]] = True
        assert change[at_cut].min() > 2 * change[~at_cut].max()
        truths = scene_truth(scene, LOW)
        assert [truth.frame for truth in truths if truth.is_cut] == list(scene.cuts)
        for truth in truths:
            for character in truth.characters:
                assert character.name == scene.characters[character.index].name


# -- truth -------------------------------------------------------------------------------------------------------------


def test_characters_fill_a_quarter_of_the_height_in_most_shots():
    tall = []
    for seed in range(60):
        scene = sample_scene(HELD_OUT_SEED + seed, 49)
        truths = scene_truth(scene, HIGH)
        for shot in scene.shots:
            boxes = [c.box for c in truths[(shot.start + shot.stop) // 2].characters if c.box]
            tall.append(any(box.bottom - box.top >= HIGH.height / 4 for box in boxes))
    assert sum(tall) / len(tall) >= 0.75


def changed_pixels(scene: Scene, bare: Scene, frame: int, size: Size) -> Box | None:
    """The box of the pixels in which two scenes differ."""
    one, two = (render(s, size, frames=slice(frame, frame + 1))[0] for s in (scene, bare))
    mask = (one - two).abs().amax(dim=0) > 0.1
    rows, columns = mask.any(dim=1).nonzero()[:, 0].tolist(), mask.any(dim=0).nonzero()[:, 0].tolist()
    return Box(rows[0], columns[0], rows[-1] + 1, columns[-1] + 1) if rows else None


@pytest.mark.parametrize("seed", range(12))
def test_the_box_holds_the_character_and_nothing_more(seed):
    """Against the pixels that change when it is taken out of the scene."""
    scene = sample_scene(seed, 25, num_shots=1)
    scene = with_shot(scene, roles=scene.shots[0].roles[:1], prop=None)
    frame = (0, 12, 24)[seed % 3]
    (character,) = scene_truth(scene, HIGH)[frame].characters
    seen = changed_pixels(scene, with_shot(scene, roles=()), frame, HIGH)
    if character.box is None:
        assert seen is None
        return
    assert abs(seen.left - character.box.left) <= 2 and abs(seen.right - character.box.right) <= 2
    assert abs(seen.top - character.box.top) <= 2
    if scene.shots[0].roles[0].action != "jumps":  # whose shadow stays on the ground
        shadow = 0.08 * HIGH.height / FRAMINGS[scene.shots[0].framing]
        assert character.box.bottom - 2 <= seen.bottom <= character.box.bottom + shadow


def test_the_body_has_the_characters_colour():
    checked = 0
    for seed in range(20):
        scene = sample_scene(seed, 25, num_shots=1)
        scene = with_shot(scene, roles=scene.shots[0].roles[:1], prop=None)
        (character,) = scene_truth(scene, HIGH)[12].characters
        if character.body is None or (character.body.right - character.body.left) < 40:
            continue
        pixels = render(scene, HIGH, frames=slice(12, 13))[0][(slice(None), *character.body.slices)]
        colour = torch.tensor(character.colour).view(3, 1, 1)
        light = ((pixels * colour).sum(dim=0) / colour.square().sum()).clamp(0.74, 1.06)
        near = ((pixels - light * colour).abs().amax(dim=0) < 0.03).float().mean()
        assert near > 0.3, (seed, near)
        checked += 1
    assert checked >= 15


def test_the_eyes_are_where_the_truth_says():
    checked = 0
    for seed in range(12):
        scene = sample_scene(seed, 25, num_shots=1)
        scene = with_shot(scene, roles=scene.shots[0].roles[:1], prop=None)
        (character,) = scene_truth(scene, HIGH)[5].characters
        picture = render(scene, HIGH, frames=slice(5, 6))[0]
        rows, columns = torch.meshgrid(torch.arange(256) + 0.5, torch.arange(448) + 0.5, indexing="ij")
        inside = torch.zeros(256, 448, dtype=torch.bool)
        for x, y in character.eyes:
            inside |= ((columns - x) ** 2 + (rows - y) ** 2).sqrt() < character.eye_radius - 1
        if inside.any():
            white, ink = (picture > 0.9).all(dim=0), (picture < 0.35).all(dim=0)
            assert (white | ink)[inside].float().mean() > 0.75  # the rest: the edges between the two
            assert white[inside].float().mean() > 0.3
            checked += 1
    assert checked >= 9


def test_letters_can_be_read_where_the_truth_says():
    """Each clear letter, cut out and compared with every glyph, is nearest to its own."""
    templates = torch.stack([(glyph_texture(letter) < 0).float() for letter in ALPHABET])
    read = 0
    for seed in range(40):
        scene = sample_scene(seed, 25, num_shots=1)
        letters = scene_truth(scene, HIGH)[12].letters
        assert "".join(letter.letter for letter in letters) == (scene.sign or "")
        if not any(letter.clear for letter in letters):
            continue
        picture = render(scene, HIGH, frames=slice(12, 13))[0].mean(dim=0)
        for letter in letters:
            if letter.clear:
                assert letter.whole
                ink = (picture[letter.box.slices] < 0.5).float()[None, None]
                ink = F.interpolate(ink, templates.shape[1:], mode="area")[0]
                error = (templates - ink).abs().mean(dim=(1, 2))
                assert ALPHABET[int(error.argmin())] == letter.letter
                read += 1
    assert read >= 12


def test_a_letter_behind_a_character_is_not_clear():
    def in_front(scene):
        return scene.sign and abs(scene.shots[0].roles[0].x - scene.sign_x) < 0.2 and scene.shots[0].camera == "static"

    scene = scene_where(in_front)
    truth = scene_truth(scene, HIGH)[12]
    hidden = [letter for letter in truth.letters if letter.whole and not letter.clear]
    boxes = [character.box for character in truth.characters]
    assert hidden and all(any(letter.box.overlaps(box) for box in boxes) for letter in hidden)


def test_a_pan_moves_what_stands_on_the_ground_by_the_pixels_it_says():
    size = Size(224, 128)
    scene = scene_where(lambda s: s.sign)
    speed = 2 * FRAMINGS["wide"] * scene.fps / size.height  # two pixels a frame
    scene = with_shot(
        scene, framing="wide", camera="pan right", camera_x=scene.sign_x, camera_speed=speed, roles=(), prop=None
    )
    screen = Screen(track_shot(scene, scene.shots[0]), size)
    columns, _ = screen.to_pixels(scene.sign_x, 0.0)
    assert_close(columns.diff(), torch.full((24,), -2.0), atol=1e-3, rtol=0)
    frames = render(scene, size, frames=slice(10, 15, 4))
    left = int(columns[10]) - 12
    here, there = frames[0, :, 50:70, left : left + 24], frames[1, :, 50:70, left - 8 : left + 16]
    assert_close(here, there, atol=2e-3, rtol=0)
    assert here.std() > 0.1  # it is the lettering, not an empty piece of board


def test_direction_and_speed_agree_with_the_words_and_the_boxes():
    for seed in range(80):
        scene = sample_scene(seed, 25, num_shots=1)
        (shot,) = scene.shots
        truths = scene_truth(scene, HIGH)
        for role in shot.roles:
            path = [next(c for c in truth.characters if c.index == role.character) for truth in truths]
            assert path[0].direction == {"walks right": 1, "walks left": -1}.get(role.action, 0)
            eyes = [(c.eyes[0][0] + c.eyes[1][0]) / 2 for c in path]
            if role.action.startswith("walks") and "zoom" not in shot.camera:  # then eyes keep their place in the body
                travelled = sum(c.screen_speed for c in path[:-1])
                assert travelled == pytest.approx(eyes[-1] - eyes[0], abs=0.1)
        assert all(truth.camera == shot.camera and truth.shot == 0 for truth in truths)
        if shot.camera == "follow":
            lead = next(c for c in truths[3].characters if c.index == shot.roles[0].character)
            assert abs(lead.screen_speed) < 1e-3


def test_boxes_clip_and_overlap():
    box = Box(-3, 5, 10, 20)
    assert box.clip(Size(12, 8)) == Box(0, 5, 8, 12)
    assert box.clip(Size(5, 8)) is None
    assert box.overlaps(Box(9, 19, 30, 30)) and not box.overlaps(Box(10, 5, 30, 30))
