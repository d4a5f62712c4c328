"""What Director-Gen's and Director-SR's trainings share: anchors, and the transformer that they start from."""

import copy

import numpy as np
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from smartdirector_lite.timeline import ChunkPlan, Condition
from smartdirector_lite.training import stage, transformer
from smartdirector_lite.training.transformer import TransformerConfig

PLAN = ChunkPlan.build(40, [Condition(0), Condition(13), Condition(26), Condition(39)], cuts=[20, 26])
# chunks:  0 (key, natural)  13 (key)  20 (cut, no key)  26 (key at a cut)  39 (key, one latent)


def test_anchors_are_the_plans_when_nothing_is_drawn():
    config = TransformerConfig(drop_anchor=0.0, clip_anchor=0.0)
    assert transformer.draw_anchors(np.random.default_rng(0), PLAN, config) == PLAN.anchors


def test_anchors_are_dropped_where_a_chunk_begins_anyway_and_nowhere_else():
    anchors = transformer.draw_anchors(
        np.random.default_rng(0), PLAN, TransformerConfig(drop_anchor=1.0, clip_anchor=0.0)
    )
    assert [anchors[chunk.latent_start] for chunk in PLAN.chunks] == [False, True, False, False, True]
    assert sum(anchors) == 2


def test_a_keyframe_becomes_a_clip_of_two_latents_or_more_within_its_chunk():
    config, counts = TransformerConfig(drop_anchor=0.0, clip_anchor=1.0), set()
    for seed in range(60):
        anchors = transformer.draw_anchors(np.random.default_rng(seed), PLAN, config)
        for index, chunk in enumerate(PLAN.chunks):
            part = anchors[chunk.latent_start : chunk.latent_start + chunk.num_latents]
            count = sum(part)
            assert part == [True] * count + [False] * (len(part) - count)
            assert count == {2: 0, 4: 1}.get(index, count) and (index in (2, 4) or count >= 2)
            counts.add((index, count))
    assert {(0, n) for n in range(2, PLAN.chunks[0].num_latents + 1)} <= counts


def test_blocks_are_compiled_where_they_are_and_a_head_is_zeroed(session_gen):
    model = copy.deepcopy(session_gen.transformer)
    transformer.compile_blocks(model)
    assert all(block._compiled_call_impl is not None for block in model.blocks)
    assert [*model.state_dict()] == [*session_gen.transformer.state_dict()]
    transformer.zero_head(model)
    assert not model.proj_out.weight.any() and not model.proj_out.bias.any()


def test_a_trunk_gets_tokens_of_another_size(session_gen):
    old = session_gen.transformer
    channels, size = old.config.in_channels, (2, 4)
    assert (
        list(old.config.patch_size) == [1, 2, 2]
        and transformer.repatch(old, None) is transformer.repatch(old, 2) is old
    )
    new = transformer.repatch(old, 1)
    assert list(new.config.patch_size) == [1, 1, 1] and type(new) is type(old)
    changed = {name for name, value in new.state_dict().items() if not torch.equal(value, old.state_dict().get(name))}
    assert changed == {"patch_embedding.weight", "proj_out.weight", "proj_out.bias"}
    cells = torch.randn(2, channels, 3, *size, generator=torch.Generator().manual_seed(0))
    even = F.interpolate(cells, (3, 4, 8))  # the same within every token of 2 x 2
    expected = F.interpolate(old.patch_embedding(even), (3, 4, 8))
    assert_close(new.patch_embedding(even), expected, atol=1e-4, rtol=1e-4)
    hidden = torch.randn(5, old.config.num_attention_heads * old.config.attention_head_dim)
    assert_close(new.proj_out(hidden), old.proj_out(hidden).unflatten(1, (4, channels)).mean(1), atol=1e-5, rtol=1e-4)
    back = transformer.repatch(new, 2)
    assert_close(back.patch_embedding(even), old.patch_embedding(even), atol=1e-4, rtol=1e-4)
    assert_close(back.proj_out(hidden), new.proj_out(hidden).repeat(1, 4))


def test_a_batch_goes_to_the_device_but_for_the_positions():
    batch = stage.on_device({"x_0": torch.zeros(2), "tau": torch.zeros(2)}, "meta")
    assert {name: value.device.type for name, value in batch.items()} == {"x_0": "meta", "tau": "cpu"}
