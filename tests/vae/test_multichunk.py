"""Multi-Chunk coding against diffusers' own VAE, slow loops, and what must hold for every plan."""

import gc
import random
import threading
import weakref
from itertools import zip_longest

import pytest
import torch
from diffusers import AutoencoderKLWan
from tiny import STATISTICS, WAN21_VAE, WAN22_VAE
from torch.testing import assert_close

from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.vae import causal, multichunk, naive

SHAPES = {"wan2.2": WAN22_VAE, "wan2.1": WAN21_VAE}


def tiny_vae(shape: str) -> AutoencoderKLWan:
    torch.manual_seed(0)
    return AutoencoderKLWan(**SHAPES[shape], **STATISTICS).eval().requires_grad_(False)


@pytest.fixture(params=SHAPES)
def vae(request) -> AutoencoderKLWan:
    return tiny_vae(request.param)


@pytest.fixture
def wan22() -> AutoencoderKLWan:
    return tiny_vae("wan2.2")


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def video_of(num_frames: int, size: int = 32, batch: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, 3, num_frames, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def random_plan(rng: random.Random, max_frames: int = 24, clips: bool = False) -> ChunkPlan:
    """A plan with 1 to 4 conditions at any frames that leave each other room, and now and then a cut."""
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
    return [video_of(c.num_frames, size, batch, seed=100 + i) for i, c in enumerate(plan.conditions)]


# ---------------------------------------------------------------- diffusers is the oracle


@pytest.mark.parametrize("num_frames", [1, 5, 13])
def test_a_plain_video_is_coded_exactly_as_by_diffusers(vae, num_frames):
    plan = ChunkPlan.build(num_frames)
    video = video_of(num_frames, batch=2)
    z = vae.encode(video).latent_dist.mode()
    latents = multichunk.encode_video(vae, plan, video)
    mean, std = (torch.tensor(STATISTICS[k]).view(1, 8, 1, 1, 1) for k in ("latents_mean", "latents_std"))
    assert_close(latents, (z - mean) / std, atol=1e-6, rtol=0)
    assert tuple(latents.shape[1:]) == multichunk.latent_shape(vae, plan.num_latents, 32, 32)
    z = multichunk.denormalize_latents(vae, latents)
    assert torch.equal(multichunk.decode(vae, plan, latents), vae.decode(z).sample)
    assert torch.equal(multichunk.decode_clip(vae, latents), vae.decode(z).sample)


def test_moments_are_those_of_diffusers(vae):
    video = video_of(9)
    assert torch.equal(multichunk.encode_moments(vae, video), vae.encode(video).latent_dist.parameters)


def test_normalisation_is_undone(vae):
    z = noise(2, 8, 3, 2, 2)
    assert_close(multichunk.denormalize_latents(vae, multichunk.normalize_latents(vae, z)), z, atol=1e-6, rtol=0)


def test_each_chunk_is_coded_as_a_video_of_its_own(vae):
    plan = ChunkPlan.build(30, [Condition(0), Condition(13), Condition(23)])
    video = video_of(30)
    latents = multichunk.encode_video(vae, plan, video)
    frames = multichunk.decode(vae, plan, latents)
    assert latents.shape[2] == 11 and frames.shape == video.shape
    for chunk in plan.chunks:
        z = latents[:, :, chunk.latent_start : chunk.latent_start + chunk.num_latents]
        part = video[:, :, chunk.start : chunk.stop + chunk.overrun]
        padded = torch.cat([part, *[part[:, :, -1:]] * (chunk.surplus - chunk.overrun)], dim=2)
        expected = multichunk.normalize_latents(vae, vae.encode(padded).latent_dist.mode())
        assert_close(z, expected, atol=1e-5, rtol=0)
        decoded = vae.decode(multichunk.denormalize_latents(vae, z)).sample
        assert_close(frames[:, :, chunk.start : chunk.stop], decoded[:, :, : chunk.num_frames], atol=1e-5, rtol=0)


def test_gradients_flow_through_clips_for_training(vae):
    vae.requires_grad_(True)
    video = video_of(6, 16).requires_grad_()
    multichunk.decode_clip(vae, multichunk.encode_clip(vae, video)).square().mean().backward()
    assert video.grad.abs().sum() > 0
    ours = {name: p.grad.clone() for name, p in vae.named_parameters() if p.grad is not None}
    vae.zero_grad()
    padded = torch.cat([video.detach(), *[video.detach()[:, :, -1:]] * 3], dim=2)
    vae.decode(vae.encode(padded).latent_dist.mode()).sample.square().mean().backward()
    for name, p in vae.named_parameters():
        if p.grad is not None:
            assert_close(ours[name], p.grad, atol=1e-5, rtol=1e-3)


# ---------------------------------------------------------------- what holds for every plan


def test_keyframes_come_back_as_decode_of_encode_in_200_random_plans(wan22):
    rng = random.Random(0)
    for seed in range(200):
        plan = random_plan(rng)
        videos = videos_for(plan)
        anchors = multichunk.encode_conditions(wan22, plan, videos)
        kept = torch.tensor(plan.anchors).view(1, 1, -1, 1, 1)
        latents = torch.where(kept, anchors, 3 * noise(*anchors.shape, seed=seed))
        frames = multichunk.decode(wan22, plan, latents)
        for condition, video in zip(plan.conditions, videos, strict=True):
            own = wan22.decode(wan22.encode(video).latent_dist.mode()).sample
            assert (frames[:, :, condition.frame_index] - own[:, :, 0]).abs().max() < 1e-4, plan


def test_conditions_equal_a_loop_and_clips_come_back(vae):
    rng = random.Random(1)
    for _ in range(15):
        plan = random_plan(rng, clips=True)
        videos = videos_for(plan, batch=2)
        latents = multichunk.encode_conditions(vae, plan, videos)
        assert tuple(latents.shape) == (2, *multichunk.latent_shape(vae, plan.num_latents, 16, 16))
        assert [bool(frame.any()) for frame in latents.unbind(2)] == plan.anchors
        frames = multichunk.decode(vae, plan, latents)
        for chunk in plan.chunks:
            if chunk.condition is None:
                continue
            video = videos[chunk.condition]
            own = multichunk.encode_clip(vae, video)
            start = chunk.latent_start
            assert_close(latents[:, :, start : start + chunk.num_anchors], own, atol=1e-5, rtol=0)
            expected = multichunk.decode_clip(vae, own)[:, :, : video.shape[2]]
            assert_close(frames[:, :, chunk.start : chunk.start + video.shape[2]], expected, atol=1e-4, rtol=0)


def test_anchors_of_a_whole_video_are_those_of_its_conditions_alone(wan22):
    rng = random.Random(6)
    for seed in range(15):
        plan = random_plan(rng, clips=True)
        video = video_of(plan.num_frames, 16, seed=seed)
        given = [video[:, :, condition.frame_index : condition.stop] for condition in plan.conditions]
        anchors = multichunk.encode_conditions(wan22, plan, given)
        whole = multichunk.encode_video(wan22, plan, video)
        assert_close(whole[:, :, plan.anchors], anchors[:, :, plan.anchors], atol=1e-5, rtol=0)


def test_keyframes_go_through_the_vae_as_one_batch(wan22):
    plan = ChunkPlan.build(40, [Condition(f) for f in (0, 7, 21, 39)])
    batches = []
    wan22.encoder.register_forward_hook(lambda module, args, out: batches.append(args[0].shape[0]))
    multichunk.encode_conditions(wan22, plan, videos_for(plan))
    assert batches == [4]


def test_encode_video_equals_a_loop_over_chunks_and_samples(vae):
    plan = ChunkPlan.build(21, [Condition(2), Condition(7), Condition(12)], cuts=[17])
    video = video_of(21, 16, batch=2)
    together = multichunk.encode_video(vae, plan, video)
    alone = [
        torch.cat([multichunk.encode_clip(vae, sample[:, :, c.start : c.stop + c.overrun]) for c in plan.chunks], dim=2)
        for sample in video.split(1)
    ]
    assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)


def test_the_tail_is_padded_with_the_last_frame_and_cut_off_again(vae):
    video = video_of(7, 16)
    padded = torch.cat([video, video[:, :, -1:], video[:, :, -1:]], dim=2)
    assert torch.equal(multichunk.encode_clip(vae, video), multichunk.encode_clip(vae, padded))
    plan = ChunkPlan.build(7)
    latents = multichunk.encode_video(vae, plan, video)
    assert torch.equal(multichunk.decode(vae, plan, latents), multichunk.decode_clip(vae, latents)[:, :, :7])


# ---------------------------------------------------------------- streaming


def streamed(vae, plan, latents) -> torch.Tensor:
    return torch.cat([frames for _, frames in multichunk.iter_decode(vae, plan, latents)], dim=2)


def test_slices_that_run_out_are_no_shorter_video(wan22):
    plan = ChunkPlan.build(9, [Condition(5)], 4)
    slices = iter(noise(1, 8, plan.num_latents - 1, 2, 2).split(1, dim=2))
    with pytest.raises(ValueError, match=f"latents end before frame .; the plan needs {plan.num_latents}"):
        list(multichunk.iter_decode(wan22, plan, slices))


def test_iter_decode_hands_on_every_frame_once_and_equals_decode(vae):
    rng = random.Random(2)
    for seed in range(15):
        plan = random_plan(rng, clips=True)
        latents = noise(2, 8, plan.num_latents, 2, 2, seed=seed)
        seen = []
        for start, frames in multichunk.iter_decode(vae, plan, latents):
            assert 1 <= frames.shape[2] <= plan.stride and not frames.requires_grad
            seen += range(start, start + frames.shape[2])
        assert seen == list(range(plan.num_frames))
        assert torch.equal(streamed(vae, plan, latents), multichunk.decode(vae, plan, latents))


def test_iter_encode_gives_what_encode_video_does(vae):
    rng = random.Random(3)
    for seed in range(12):
        plan = random_plan(rng, clips=True)
        video = video_of(plan.num_frames, 16, batch=2, seed=seed)
        latents = list(multichunk.iter_encode(vae, plan, video.split(1, dim=2)))
        assert [latent.shape[2] for latent in latents] == [1] * plan.num_latents
        assert_close(torch.cat(latents, dim=2), multichunk.encode_video(vae, plan, video), atol=1e-5, rtol=0)


@pytest.mark.parametrize("num_frames", [1, 2, 5, 8])
def test_a_run_may_come_in_parts(vae, num_frames):
    video = video_of(num_frames, 16)
    latents = torch.cat(list(causal.encode_run(vae, video.split(1, dim=2))), dim=2)
    assert_close(latents, multichunk.encode_clip(vae, video), atol=1e-5, rtol=0)
    frames = list(causal.decode_run(vae, latents.split(1, dim=2)))
    assert [part.shape[2] for part in frames] == [1] + [4] * (latents.shape[2] - 1)
    assert torch.equal(torch.cat(frames, dim=2), multichunk.decode_clip(vae, latents))


def test_iter_encode_reads_and_holds_no_more_frames_than_a_latent_shows(wan22):
    plan, alive, read = ChunkPlan.build(13, [Condition(6)]), weakref.WeakSet(), []

    def frames():
        for i in range(plan.num_frames):
            frame = video_of(1, 16, seed=i)
            alive.add(frame)
            read.append(i)
            yield frame

    counts = []
    for _ in multichunk.iter_encode(wan22, plan, frames()):
        counts.append(len(read))
        assert len(alive) <= plan.stride
    assert counts == [1, 5, 9, 9, 11, 13]  # frames 6 to 8 also fill the latent of frame 5


def test_frames_that_run_out_are_named(wan22):
    plan = ChunkPlan.build(9, [Condition(5)])
    for given in range(9):
        with pytest.raises(ValueError, match=f"frames end before frame {given}, which the plan covers"):
            list(multichunk.iter_encode(wan22, plan, video_of(9, 16)[:, :, :given].split(1, dim=2) if given else []))
    with pytest.raises(ValueError, match="stride=4"):
        list(multichunk.iter_encode(wan22, ChunkPlan.build(9, stride=8), video_of(9, 16).split(1, dim=2)))


def test_iter_decode_takes_latents_as_they_come_and_only_as_needed(vae):
    rng = random.Random(4)
    for seed in range(6):
        plan = random_plan(rng, clips=True)
        latents, pulled = noise(1, 8, plan.num_latents, 2, 2, seed=seed), []

        def stream(latents=latents, pulled=pulled):
            for i, latent in enumerate(latents.split(1, dim=2)):
                pulled.append(i)
                yield latent

        parts = multichunk.iter_decode(vae, plan, stream())
        assert pulled == []
        frames = []
        for number, (_, part) in enumerate(parts):
            assert len(pulled) == number + 1
            frames.append(part)
        assert torch.equal(torch.cat(frames, dim=2), multichunk.decode(vae, plan, latents))


def test_memory_does_not_grow_with_the_number_of_frames_decoded(vae):
    def bytes_alive() -> int:
        tensors = [x for x in gc.get_objects() if type(x) is torch.Tensor]
        return sum({x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in tensors}.values())

    plan = ChunkPlan.build(65, [Condition(33)])
    latents = noise(1, 8, plan.num_latents, 2, 2)
    alive = {start: bytes_alive() for start, _ in multichunk.iter_decode(vae, plan, latents)}
    assert alive[9] == alive[29] == alive[42] == alive[62]


def test_interleaved_and_abandoned_decoders_do_not_disturb_each_other(vae):
    plan = ChunkPlan.build(14, [Condition(0), Condition(6)])
    first, second = noise(1, 8, plan.num_latents, 2, 2, seed=1), noise(2, 8, plan.num_latents, 4, 4, seed=2)
    expected = [multichunk.decode(vae, plan, latents) for latents in (first, second)]
    abandoned = multichunk.iter_decode(vae, plan, first)
    next(abandoned), next(abandoned)
    parts = [[], []]
    pairs = zip_longest(*(multichunk.iter_decode(vae, plan, latents) for latents in (first, second)))
    for pair in pairs:
        for kept, (_, frames) in zip(parts, pair, strict=True):
            kept.append(frames)
    abandoned.close()
    for kept, frames in zip(parts, expected, strict=True):
        assert torch.equal(torch.cat(kept, dim=2), frames)


def test_an_error_half_way_leaves_nothing_behind(vae):
    plan = ChunkPlan.build(13)
    latents, video = noise(1, 8, 4, 2, 2), video_of(13, 16)
    expected = multichunk.decode(vae, plan, latents), multichunk.encode_video(vae, plan, video)
    before = set(vars(vae))
    for coder in (vae.decoder, vae.encoder):
        calls = []

        def fail(module, args, calls=calls):
            calls.append(1)
            if len(calls) == 3:
                raise RuntimeError("out of memory")

        handle = coder.conv_out.register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            multichunk.decode(vae, plan, latents)
            multichunk.encode_video(vae, plan, video)
        handle.remove()
    assert set(vars(vae)) == before
    assert torch.equal(multichunk.decode(vae, plan, latents), expected[0])
    assert torch.equal(multichunk.encode_video(vae, plan, video), expected[1])


@pytest.mark.parametrize("tiled", [False, True])
def test_threads_agree_with_serial(wan22, tiled):
    if tiled:
        wan22.enable_tiling(16, 16, 16, 16)
    plan = ChunkPlan.build(18, [Condition(3), Condition(9)])
    latents = [noise(1, 8, plan.num_latents, 4, 4, seed=i) for i in range(4)]
    videos = [video_of(18, 32, seed=i) for i in range(4)]
    expected = [
        (multichunk.decode(wan22, plan, z), multichunk.encode_video(wan22, plan, v)) for z, v in zip(latents, videos)
    ]
    results = [None] * 4

    def work(i):
        results[i] = (multichunk.decode(wan22, plan, latents[i]), multichunk.encode_video(wan22, plan, videos[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    for got, want in zip(results, expected, strict=True):
        assert_close(got, want, atol=1e-5, rtol=0)


# ---------------------------------------------------------------- diffusers' switches


def test_slicing_runs_one_sample_at_a_time_with_the_same_result(vae):
    plan = ChunkPlan.build(11, [Condition(4)])
    latents, video = noise(3, 8, plan.num_latents, 2, 2), video_of(11, 16, batch=3)
    expected = multichunk.decode(vae, plan, latents), multichunk.encode_video(vae, plan, video)
    batches = []
    for coder in (vae.encoder, vae.decoder):
        coder.register_forward_hook(lambda module, args, out: batches.append(args[0].shape[0]))
    vae.enable_slicing()
    got = multichunk.decode(vae, plan, latents), multichunk.encode_video(vae, plan, video)
    assert set(batches) == {1}
    assert_close(got, expected, atol=1e-5, rtol=0)


def test_tiling_is_that_of_diffusers_and_cleans_up_after_an_error(vae):
    vae.enable_tiling(16, 16, 8, 8)
    plan = ChunkPlan.build(9, [Condition(4)])
    latents = noise(1, 8, plan.num_latents, 4, 4)
    frames = multichunk.decode(vae, plan, latents)
    for chunk in plan.chunks:
        z = latents[:, :, chunk.latent_start : chunk.latent_start + chunk.num_latents]
        own = vae.decode(multichunk.denormalize_latents(vae, z)).sample[:, :, : chunk.num_frames]
        assert torch.equal(frames[:, :, chunk.start : chunk.stop], own)
    handle = vae.decoder.conv_out.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        multichunk.decode(vae, plan, latents)
    handle.remove()
    assert set(vae._feat_map) == {None}
    assert torch.equal(multichunk.decode(vae, plan, latents), frames)


def test_a_tiled_run_is_the_same_in_parts_as_at_once(vae):
    vae.enable_tiling(16, 16, 8, 8)
    plan, video = ChunkPlan.build(9, [Condition(4)]), video_of(9, 32)
    latents = torch.cat(list(multichunk.iter_encode(vae, plan, video.split(1, dim=2))), dim=2)
    assert_close(latents, multichunk.encode_video(vae, plan, video), atol=1e-5, rtol=0)
    z = latents[:, :, :2]
    expected = vae.decode(multichunk.denormalize_latents(vae, z)).sample
    assert torch.equal(multichunk.decode_clip(vae, z), expected)


def test_model_offloading_is_called_as_by_diffusers(wan22):
    from accelerate import cpu_offload_with_hook

    calls = []
    _, _ = cpu_offload_with_hook(wan22, "cpu")
    original = wan22._hf_hook.pre_forward
    wan22._hf_hook.pre_forward = lambda module, *args, **kwargs: (calls.append(module), original(module))
    plan = ChunkPlan.build(1)
    latents = multichunk.encode_video(wan22, plan, video_of(1, 16))
    encoded = len(calls)
    multichunk.decode(wan22, plan, latents)
    assert encoded >= 1 and len(calls) > encoded and set(map(id, calls)) == {id(wan22)}


def test_bf16_vae_takes_float_video_and_gives_float_latents(vae):
    plan = ChunkPlan.build(6, [Condition(2)])
    video = video_of(6, 16)
    expected = multichunk.encode_video(vae, plan, video)
    vae.to(torch.bfloat16)
    latents = multichunk.encode_video(vae, plan, video)
    assert latents.dtype == torch.float32
    assert (latents - expected).abs().mean() < 0.05 * expected.abs().mean()
    assert multichunk.decode(vae, plan, latents).dtype == torch.bfloat16


# ---------------------------------------------------------------- the naive ways


@pytest.mark.parametrize("frame, index", [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (12, 3)])
def test_naive_latent_index(frame, index):
    assert naive.naive_latent_index(frame, 4) == index


def test_naive_replacement_puts_first_latents_into_one_causal_run(vae):
    video = video_of(14, 16)
    conditions = [Condition(0), Condition(6), Condition(11, 3)]
    given = [video[:, :, c.frame_index : c.stop] for c in conditions]
    anchors = naive.naive_anchors(14, conditions, 4)
    assert anchors == [True, False, True, True, True]
    causal = multichunk.encode_clip(vae, video)
    replaced = naive.replace_naive(vae, causal, conditions, given)
    alone = naive.encode_naive_replace(vae, 14, conditions, given)
    kept = torch.tensor(anchors).view(1, 1, -1, 1, 1)
    assert torch.equal(torch.where(kept, causal, replaced), causal)
    assert torch.equal(alone, replaced * kept)
    assert_close(replaced[:, :, 2:3], multichunk.encode_clip(vae, given[1]), atol=1e-5, rtol=0)
    assert (replaced[:, :, 2] - causal[:, :, 2]).abs().max() > 0.05


def test_naive_replacement_loses_the_keyframe_that_multi_chunk_keeps(vae):
    plan = ChunkPlan.build(13, [Condition(6)])
    key = video_of(1, 16)
    own = vae.decode(vae.encode(key).latent_dist.mode()).sample[:, :, 0]
    latents = naive.encode_naive_replace(vae, 13, plan.conditions, [key])
    lost = naive.decode_naive(vae, 13, latents)[:, :, 6]
    kept = multichunk.decode(vae, plan, multichunk.encode_conditions(vae, plan, [key]))[:, :, 6]
    assert (kept - own).abs().max() < 1e-4 < 1e-2 < (lost - own).abs().max()


def test_naive_blank_is_the_encoding_of_a_blank_video_with_the_conditions(vae):
    key, clip = video_of(1, 16, seed=1), video_of(3, 16, seed=2)
    video = torch.zeros(1, 3, 12, 16, 16)
    video[:, :, 5:6], video[:, :, 8:11] = key, clip
    latents = naive.encode_naive_blank(vae, 12, [Condition(5), Condition(8, 3)], [key, clip])
    assert torch.equal(latents, multichunk.encode_clip(vae, video))
    assert naive.decode_naive(vae, 12, latents).shape == video.shape


# ---------------------------------------------------------------- bad input


def test_bad_videos_and_latents_are_refused_at_the_entrance(wan22):
    plan = ChunkPlan.build(9, [Condition(0), Condition(5, 3)])
    key, clip = videos_for(plan)
    cases = [
        (lambda: multichunk.encode_conditions(wan22, plan, [key]), "videos has 1 entries: the plan has 2"),
        (lambda: multichunk.encode_conditions(wan22, plan, [clip, key]), r"videos\[0\] has shape \(1, 3, 3"),
        (lambda: multichunk.encode_conditions(wan22, plan, [key, video_of(3, 24)]), r"videos\[1\] has shape"),
        (lambda: multichunk.encode_conditions(wan22, ChunkPlan.build(9), []), "no conditions"),
        (lambda: multichunk.encode_video(wan22, plan, video_of(8, 16)), "video has 8 frames: the plan covers 9"),
        (lambda: multichunk.encode_clip(wan22, video_of(1, 20)), "20 x 20: height and width must be multiples of 8"),
        (lambda: multichunk.encode_clip(wan22, video_of(1, 16)[:, :2]), r"shape \(1, 2, 1, 16, 16\)"),
        (lambda: multichunk.encode_clip(wan22, torch.zeros(1, 3, 1, 16, 16, dtype=torch.uint8)), "floats in"),
        (lambda: multichunk.iter_decode(wan22, plan, noise(1, 8, 3, 2, 2)), r"need \(B, 8, 5, h, w\)"),
        (lambda: multichunk.decode(wan22, ChunkPlan.build(9, stride=8), noise(1, 8, 2, 2, 2)), "stride=4"),
        (lambda: naive.encode_naive_blank(wan22, 9, [Condition(2)], []), "videos has 0 entries"),
        (lambda: naive.encode_naive_replace(wan22, 9, [Condition(2, 3)], [key]), r"videos\[0\] has shape"),
        (lambda: naive.encode_naive_blank(wan22, 2, [Condition(2)], [key]), "frame_index"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
