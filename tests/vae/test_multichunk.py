"""Multi-Chunk coding against diffusers' own VAE, against slow loops, and for random plans."""

import gc
import random
import threading
import weakref
from itertools import zip_longest

import pytest
import torch
from tiny import noise, video_of
from torch.testing import assert_close

from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.vae import (
    decode,
    decode_clip,
    denormalize_latents,
    encode_clip,
    encode_conditions,
    encode_video,
    iter_decode,
    iter_encode,
    latent_shape,
    normalize_latents,
)


def random_plan(rng: random.Random, max_frames: int = 24, clips: bool = False) -> ChunkPlan:
    """A plan with one to four conditions in random places, and sometimes a cut."""
    num_frames = rng.randint(1, max_frames)
    conditions, frame = [], rng.randint(0, num_frames - 1)
    while frame < num_frames and len(conditions) < 4:
        length = min(rng.choice([1, 1, 3, 5]) if clips else 1, num_frames - frame)
        conditions.append(Condition(frame, length))
        frame += length + rng.randint(0, 9)
    rng.shuffle(conditions)
    inside = {f for c in conditions for f in range(c.frame_index + 1, c.stop)}
    cuts = [f for f in range(1, num_frames) if f not in inside and rng.random() < 0.05]
    return ChunkPlan.build(num_frames, conditions, cuts=cuts)


def videos_for(plan: ChunkPlan, size: int = 16, batch: int = 1) -> list[torch.Tensor]:
    """A random video for each condition of the plan."""
    return [video_of(c.num_frames, size, batch, seed=100 + i) for i, c in enumerate(plan.conditions)]


# ---------------------------------------------------------------- diffusers is the oracle


@pytest.mark.parametrize("num_frames", [1, 5, 13])
def test_a_video_without_conditions_is_coded_as_by_diffusers(vae, num_frames):
    plan, video = ChunkPlan.build(num_frames), video_of(num_frames, batch=2)
    latents = encode_video(vae, plan, video)
    assert_close(latents, normalize_latents(vae, vae.encode(video).latent_dist.mode()), atol=1e-6, rtol=0)
    assert torch.equal(decode(vae, plan, latents), vae.decode(denormalize_latents(vae, latents)).sample)


def test_each_chunk_is_coded_as_a_video_of_its_own(vae):
    plan = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)])
    video = video_of(30)
    latents = encode_video(vae, plan, video)
    frames = decode(vae, plan, latents)
    assert latents.shape[2] == 11 and frames.shape == video.shape
    for chunk in plan.chunks:
        z = latents[:, :, chunk.latent_start : chunk.latent_start + chunk.num_latents]
        part = video[:, :, chunk.start : chunk.stop + chunk.overrun]
        padded = torch.cat([part, *[part[:, :, -1:]] * (chunk.surplus - chunk.overrun)], dim=2)
        expected = normalize_latents(vae, vae.encode(padded).latent_dist.mode())
        assert_close(z, expected, atol=1e-5, rtol=0)
        decoded = vae.decode(denormalize_latents(vae, z)).sample
        assert_close(frames[:, :, chunk.start : chunk.stop], decoded[:, :, : chunk.num_frames], atol=1e-5, rtol=0)


def test_tiled_chunks_are_those_of_diffusers_also_after_an_error(vae):
    vae.enable_tiling(16, 16, 8, 8)
    plan = ChunkPlan.build(9, [Condition(4)])
    latents = noise(1, 8, plan.num_latents, 4, 4)
    frames = decode(vae, plan, latents)
    for chunk in plan.chunks:
        z = latents[:, :, chunk.latent_start : chunk.latent_start + chunk.num_latents]
        own = vae.decode(denormalize_latents(vae, z)).sample[:, :, : chunk.num_frames]
        assert torch.equal(frames[:, :, chunk.start : chunk.stop], own)
    handle = vae.decoder.conv_out.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        decode(vae, plan, latents)
    handle.remove()
    assert torch.equal(decode(vae, plan, latents), frames)


# ---------------------------------------------------------------- what holds for every plan


def test_keyframes_come_back_as_decode_of_encode_in_200_random_plans(wan22):
    rng = random.Random(0)
    for seed in range(200):
        plan = random_plan(rng)
        videos = videos_for(plan)
        anchors = encode_conditions(wan22, plan, videos)
        kept = torch.tensor(plan.anchors).view(1, 1, -1, 1, 1)
        latents = torch.where(kept, anchors, 3 * noise(*anchors.shape, seed=seed))
        frames = decode(wan22, plan, latents)
        for condition, video in zip(plan.conditions, videos, strict=True):
            own = wan22.decode(wan22.encode(video).latent_dist.mode()).sample
            assert (frames[:, :, condition.frame_index] - own[:, :, 0]).abs().max() < 1e-4, plan


def test_conditions_equal_a_loop_and_clips_come_back(vae):
    rng = random.Random(1)
    for _ in range(15):
        plan = random_plan(rng, clips=True)
        videos = videos_for(plan, batch=2)
        latents = encode_conditions(vae, plan, videos)
        assert tuple(latents.shape) == (2, *latent_shape(vae, plan.num_latents, 16, 16))
        assert [bool(frame.any()) for frame in latents.unbind(2)] == plan.anchors
        frames = decode(vae, plan, latents)
        for chunk in plan.chunks:
            if chunk.condition is None:
                continue
            video = videos[chunk.condition]
            own = encode_clip(vae, video)
            start = chunk.latent_start
            assert_close(latents[:, :, start : start + chunk.num_anchors], own, atol=1e-5, rtol=0)
            expected = decode_clip(vae, own)[:, :, : video.shape[2]]
            assert_close(frames[:, :, chunk.start : chunk.start + video.shape[2]], expected, atol=1e-4, rtol=0)


def test_anchors_of_a_whole_video_are_those_of_its_conditions_alone(wan22):
    rng = random.Random(6)
    for seed in range(15):
        plan = random_plan(rng, clips=True)
        video = video_of(plan.num_frames, 16, seed=seed)
        given = [video[:, :, condition.frame_index : condition.stop] for condition in plan.conditions]
        anchors = encode_conditions(wan22, plan, given)
        whole = encode_video(wan22, plan, video)
        assert_close(whole[:, :, plan.anchors], anchors[:, :, plan.anchors], atol=1e-5, rtol=0)


def test_keyframes_go_through_the_vae_as_one_batch(wan22):
    plan = ChunkPlan.build(40, [Condition(f) for f in (0, 7, 21, 39)])
    batches = []
    wan22.encoder.register_forward_hook(lambda module, args, out: batches.append(args[0].shape[0]))
    encode_conditions(wan22, plan, videos_for(plan))
    assert batches == [4]


def test_slicing_splits_the_batch_of_keyframes(wan22):
    plan = ChunkPlan.build(40, [Condition(f) for f in (0, 7, 21, 39)])
    expected, batches = encode_conditions(wan22, plan, videos_for(plan)), []
    wan22.encoder.register_forward_hook(lambda module, args, out: batches.append(args[0].shape[0]))
    wan22.enable_slicing()
    assert_close(encode_conditions(wan22, plan, videos_for(plan)), expected, atol=1e-5, rtol=0)
    assert batches == [1] * 4


def test_encode_video_equals_a_loop_over_chunks_and_samples(vae):
    plan = ChunkPlan.build(21, [Condition(2), Condition(7), Condition(12)], cuts=[17])
    video = video_of(21, 16, batch=2)
    together = encode_video(vae, plan, video)
    alone = [
        torch.cat([encode_clip(vae, sample[:, :, c.start : c.stop + c.overrun]) for c in plan.chunks], dim=2)
        for sample in video.split(1)
    ]
    assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)


def test_the_surplus_is_cut_off_again(vae):
    plan = ChunkPlan.build(7)
    latents = encode_video(vae, plan, video_of(7, 16))
    assert torch.equal(decode(vae, plan, latents), decode_clip(vae, latents)[:, :, :7])


# ---------------------------------------------------------------- streaming


def test_iter_decode_gives_every_frame_once_and_equals_decode(vae):
    rng = random.Random(2)
    for seed in range(15):
        plan = random_plan(rng, clips=True)
        latents = noise(2, 8, plan.num_latents, 2, 2, seed=seed)
        seen, parts = [], []
        for start, frames in iter_decode(vae, plan, latents):
            assert 1 <= frames.shape[2] <= plan.stride and not frames.requires_grad
            seen += range(start, start + frames.shape[2])
            parts.append(frames)
        assert seen == list(range(plan.num_frames))
        assert torch.equal(torch.cat(parts, dim=2), decode(vae, plan, latents))


def test_iter_encode_gives_what_encode_video_gives(vae):
    rng = random.Random(3)
    for seed in range(12):
        plan = random_plan(rng, clips=True)
        video = video_of(plan.num_frames, 16, batch=2, seed=seed)
        latents = list(iter_encode(vae, plan, video.split(1, dim=2)))
        assert [latent.shape[2] for latent in latents] == [1] * plan.num_latents
        assert_close(torch.cat(latents, dim=2), encode_video(vae, plan, video), atol=1e-5, rtol=0)


def test_iter_encode_reads_and_holds_no_more_frames_than_a_latent_shows(wan22):
    plan, alive, read = ChunkPlan.build(13, [Condition(6)]), weakref.WeakSet(), []

    def frames():
        for i in range(plan.num_frames):
            frame = video_of(1, 16, seed=i)
            alive.add(frame)
            read.append(i)
            yield frame

    counts = []
    for _ in iter_encode(wan22, plan, frames()):
        counts.append(len(read))
        assert len(alive) <= plan.stride
    assert counts == [1, 5, 9, 9, 11, 13]  # frames 6 to 8 also fill the latent of frame 5


def test_iter_decode_reads_latents_only_as_they_are_needed(vae):
    rng = random.Random(4)
    for seed in range(6):
        plan = random_plan(rng, clips=True)
        latents, pulled = noise(1, 8, plan.num_latents, 2, 2, seed=seed), []

        def stream(latents=latents, pulled=pulled):
            for i, latent in enumerate(latents.split(1, dim=2)):
                pulled.append(i)
                yield latent

        parts = iter_decode(vae, plan, stream())
        assert pulled == []
        frames = []
        for number, (_, part) in enumerate(parts):
            assert len(pulled) == number + 1
            frames.append(part)
        assert torch.equal(torch.cat(frames, dim=2), decode(vae, plan, latents))


def test_memory_does_not_grow_with_the_number_of_frames_decoded(vae):
    def bytes_alive() -> int:
        tensors = [x for x in gc.get_objects() if type(x) is torch.Tensor]
        return sum({x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in tensors}.values())

    plan = ChunkPlan.build(65, [Condition(33)])
    latents = noise(1, 8, plan.num_latents, 2, 2)
    alive = {start: bytes_alive() for start, _ in iter_decode(vae, plan, latents)}
    assert alive[9] == alive[29] == alive[42] == alive[62]


# ---------------------------------------------------------------- runs side by side


def test_interleaved_and_abandoned_decoders_do_not_disturb_each_other(vae):
    plan = ChunkPlan.build(14, [Condition(0), Condition(6)])
    first, second = noise(1, 8, plan.num_latents, 2, 2, seed=1), noise(2, 8, plan.num_latents, 4, 4, seed=2)
    expected = [decode(vae, plan, latents) for latents in (first, second)]
    abandoned = iter_decode(vae, plan, first)
    next(abandoned), next(abandoned)
    parts = [[], []]
    pairs = zip_longest(*(iter_decode(vae, plan, latents) for latents in (first, second)))
    for pair in pairs:
        for kept, (_, frames) in zip(parts, pair, strict=True):
            kept.append(frames)
    abandoned.close()
    for kept, frames in zip(parts, expected, strict=True):
        assert torch.equal(torch.cat(kept, dim=2), frames)


@pytest.mark.parametrize("tiled", [False, True])
def test_an_error_half_way_leaves_nothing_behind(vae, tiled):
    if tiled:
        vae.enable_tiling(8, 8, 8, 8)
    plan = ChunkPlan.build(13)
    latents, video = noise(1, 8, 4, 2, 2), video_of(13, 16)
    expected = decode(vae, plan, latents), encode_video(vae, plan, video)
    before = set(vars(vae))
    for coder, run in (
        (vae.decoder, lambda: decode(vae, plan, latents)),
        (vae.encoder, lambda: encode_video(vae, plan, video)),
    ):
        calls = []

        def fail(module, args, calls=calls):
            calls.append(1)
            if len(calls) == 3:
                raise RuntimeError("out of memory")

        handle = coder.conv_out.register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            run()
        handle.remove()
    assert set(vars(vae)) == before
    assert torch.equal(decode(vae, plan, latents), expected[0])
    assert torch.equal(encode_video(vae, plan, video), expected[1])


@pytest.mark.parametrize("tiled", [False, True])
def test_threads_agree_with_serial(wan22, tiled):
    if tiled:
        wan22.enable_tiling(16, 16, 16, 16)
    plan = ChunkPlan.build(18, [Condition(3), Condition(9)])
    latents = [noise(1, 8, plan.num_latents, 4, 4, seed=i) for i in range(4)]
    videos = [video_of(18, 32, seed=i) for i in range(4)]
    expected = [(decode(wan22, plan, z), encode_video(wan22, plan, v)) for z, v in zip(latents, videos, strict=True)]
    results = [None] * 4

    def work(i):
        results[i] = (decode(wan22, plan, latents[i]), encode_video(wan22, plan, videos[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for got, want in zip(results, expected, strict=True):
        assert_close(got, want, atol=1e-5, rtol=0)


# ---------------------------------------------------------------- bad input


def test_latents_that_end_too_early_are_refused(wan22):
    plan = ChunkPlan.build(9, [Condition(5)], 4)
    latents = iter(noise(1, 8, plan.num_latents - 1, 2, 2).split(1, dim=2))
    with pytest.raises(ValueError, match=f"latents end before frame .; the plan needs {plan.num_latents}"):
        list(iter_decode(wan22, plan, latents))


def test_frames_that_end_too_early_are_refused(wan22):
    plan = ChunkPlan.build(9, [Condition(5)])
    for given in range(9):
        with pytest.raises(ValueError, match=f"frames end before frame {given}, which the plan covers"):
            list(iter_encode(wan22, plan, video_of(9, 16)[:, :, :given].split(1, dim=2) if given else []))
    with pytest.raises(ValueError, match="stride=4"):
        list(iter_encode(wan22, ChunkPlan.build(9, stride=8), video_of(9, 16).split(1, dim=2)))


def test_bad_videos_and_latents_are_refused_at_the_entrance(wan22):
    plan = ChunkPlan.build(9, [Condition(0), Condition(5, 3)])
    key, clip = videos_for(plan)
    cases = [
        (lambda: encode_conditions(wan22, plan, [key]), "videos has 1 entries for 2 conditions: give one for each"),
        (lambda: encode_conditions(wan22, plan, [clip, key]), r"videos\[0\] has shape \(1, 3, 3"),
        (lambda: encode_conditions(wan22, plan, [key, video_of(3, 24)]), r"videos\[1\] has shape"),
        (lambda: encode_conditions(wan22, plan, [key.byte(), clip]), r"videos\[0\] is torch.uint8"),
        (lambda: encode_conditions(wan22, ChunkPlan.build(9), []), "no conditions"),
        (lambda: encode_video(wan22, plan, video_of(8, 16)), "video has 8 frames: the plan covers 9"),
        (lambda: iter_decode(wan22, plan, noise(1, 8, 3, 2, 2)), r"give a tensor \(B, 8, 5, h, w\)"),
        (lambda: decode(wan22, ChunkPlan.build(9, stride=8), noise(1, 8, 2, 2, 2)), "stride=4"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
