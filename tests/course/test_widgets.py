"""course/widgets.py: sliders that move keyframes and step through pictures, and a blind vote."""

import random

import numpy as np
import pytest
from PIL import Image

from smartdirector_lite import ChunkPlan, Condition, Storyboard
from smartdirector_lite.course.widgets import (
    balanced_sides,
    blind_vote,
    comparison_slider,
    step_slider,
    tau_explorer,
    timeline_editor,
)
from smartdirector_lite.storyboard import Keyframe

PLAN = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)], 4)
BLACK, WHITE = np.zeros((8, 10, 3), np.uint8), np.full((8, 10, 3), 255, np.uint8)


def test_timeline_editor_moves_keyframes_and_refuses_collisions():
    editor = timeline_editor(PLAN)
    before = editor.picture.value
    editor.sliders[1].value = 17
    assert editor.plan.conditions[1] == Condition(17)
    assert editor.picture.value != before and "4.25" in editor.message.value
    editor.sliders[2].value = 17
    assert editor.plan.conditions[2] == Condition(23) and "both stand at frame 17" in editor.message.value


def test_tau_explorer_redraws_for_another_scheme():
    explorer = tau_explorer(PLAN, "continuous")
    before = explorer.picture.value
    explorer.scheme.value = "restart"
    assert explorer.picture.value != before and "restart" in explorer.message.value
    assert all(slider.description for slider in explorer.sliders)


def test_timeline_editor_of_a_storyboard_gives_a_storyboard():
    picture = Image.new("RGB", (48, 32))
    story = Storyboard(num_frames=30, keyframes=(Keyframe(picture, frame=0), Keyframe(picture, frame=13)))
    editor = timeline_editor(story)
    editor.sliders[1].value = 20
    assert editor.storyboard.keyframes[1].frame == 20 and editor.plan == editor.storyboard.plan()


def test_timeline_editor_needs_something_to_move():
    with pytest.raises(ValueError, match="nothing to move"):
        timeline_editor(Storyboard("no keyframe", num_frames=30))


def test_step_slider_shows_what_it_says():
    steps = step_slider([BLACK, WHITE], alt="noise to picture", labels=["t = 1", "t = 0"], scale=2)
    before = steps.picture.value
    steps.slider.value = 1
    assert steps.picture.value != before and 'alt="noise to picture: step t = 0"' in steps.picture.value
    with pytest.raises(ValueError, match="one each"):
        step_slider([BLACK], labels=["a", "b"])
    with pytest.raises(ValueError, match="empty"):
        step_slider([])


def test_comparison_slider_shows_what_it_says():
    wipe = comparison_slider(BLACK, WHITE, names=("naive", "ours"))
    wipe.slider.value = 30
    assert "naive in the left 30 percent, ours in the rest" in wipe.picture.value
    with pytest.raises(ValueError, match="two sizes"):
        comparison_slider(BLACK, WHITE[:4])


@pytest.mark.parametrize("count", range(6))
def test_sides_are_balanced_after_any_number_of_pairs(count):
    for seed in range(20):
        sides = balanced_sides(count, random.Random(seed))
        assert len(sides) == count and abs(2 * sides.count("A") - count) <= count % 2
    assert len({balanced_sides(2, random.Random(seed))[0] for seed in range(20)}) == 2


VIDEOS = [np.full((3, 16, 16, 3), level, np.uint8) for level in (20, 230)]


def test_blind_vote_keeps_each_vote_with_the_side_of_ours_and_ends():
    pairs = [(f"scene {k}", *VIDEOS) for k in range(3)]
    vote = blind_vote(pairs, fps=12, seed=0)
    seen = []
    for choice in (0, 1, 2):
        seen.append(vote.picture.value)
        vote.buttons[choice].click()
    assert [choice for _, choice, _ in vote.votes] == ["A", "same", "B"]
    assert {name for name, _, _ in vote.votes} == {name for name, *_ in pairs}
    sides = [side for _, _, side in vote.votes]
    # All pairs are the same two videos, so what is shown differs exactly where the sides do.
    bodies = [text.replace(f"pair {k + 1}", "pair") for k, text in enumerate(seen)]
    assert all((bodies[i] == bodies[j]) == (sides[i] == sides[j]) for i in range(3) for j in range(3))
    assert "ours" not in seen[0] and "scene" not in seen[0]
    vote.buttons[0].click()
    assert len(vote.votes) == 3 and vote.picture.value == "" and all(button.disabled for button in vote.buttons)


def test_blind_vote_refuses_what_would_tell_the_videos_apart():
    with pytest.raises(ValueError, match=r"scene: the shapes .* would tell"):
        blind_vote([("scene", VIDEOS[0], VIDEOS[1][:2])], fps=12)
    with pytest.raises(ValueError, match="at least one pair"):
        blind_vote([], fps=12)
