"""DirectorTransformer3DModel against diffusers' WanTransformer3DModel, closed forms, and loops over samples."""

import pytest
import torch
from accelerate import cpu_offload
from diffusers import FirstBlockCacheConfig, WanTransformer3DModel
from diffusers.hooks import apply_group_offloading
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from smartdirector_lite.gen.transformer import DirectorTransformer3DModel, DirectorTransformerBlock

CONFIG = {
    "num_attention_heads": 2,
    "attention_head_dim": 24,
    "in_channels": 6,
    "out_channels": 6,
    "text_dim": 20,
    "freq_dim": 32,
    "ffn_dim": 80,
    "num_layers": 3,
    "rope_max_seq_len": 64,
}
B, F, H, W = 2, 5, 4, 6
S = (H // 2) * (W // 2)


@pytest.fixture
def parent() -> WanTransformer3DModel:
    torch.manual_seed(0)
    return WanTransformer3DModel(**CONFIG).eval()


@pytest.fixture
def model(parent) -> DirectorTransformer3DModel:
    ours = DirectorTransformer3DModel(**CONFIG).eval()
    ours.load_state_dict(parent.state_dict())
    return ours


def inputs(seed: int = 1, batch: int = B, frames: int = F) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {
        "hidden_states": torch.randn(batch, 6, frames, H, W, generator=g),
        "timestep": torch.rand(batch, frames, generator=g) * 1000,
        "encoder_hidden_states": torch.randn(batch, 7, 20, generator=g),
    }


def per_token(kwargs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return kwargs | {"timestep": kwargs["timestep"].repeat_interleave(S, dim=1)}


# ---------------------------------------------------------------- the parent is the oracle


@torch.no_grad()
def test_equals_parent_with_per_token_timesteps(parent, model):
    kwargs = inputs()
    kwargs["timestep"][:, [0, 3]] = 0  # anchors
    assert_close(model(**kwargs).sample, parent(**per_token(kwargs)).sample, atol=1e-5, rtol=0)


@torch.no_grad()
def test_timestep_per_sample_equals_parent_and_constant_per_frame(parent, model):
    kwargs = inputs() | {"timestep": torch.tensor([999, 250])}
    ours = model(**kwargs).sample
    assert_close(ours, parent(**kwargs).sample, atol=1e-5, rtol=0)
    per_frame = kwargs | {"timestep": kwargs["timestep"][:, None].expand(B, F)}
    assert torch.equal(ours, model(**per_frame).sample)


@torch.no_grad()
def test_anchor_timestep_reaches_only_by_modulation(model):
    """One frame's timestep moves the output; the same value again does not."""
    kwargs = inputs()
    before = model(**kwargs).sample
    changed = kwargs | {"timestep": kwargs["timestep"].clone()}
    changed["timestep"][:, 2] = 0
    after = model(**changed).sample
    assert (after - before).abs()[:, :, 2].mean() > 5 * (after - before).abs()[:, :, [0, 1, 3, 4]].mean()


def test_gradients_equal_parent_with_and_without_checkpointing(parent, model):
    kwargs = inputs()

    def grads(net, kw):
        net.zero_grad()
        net.train()
        net(**kw).sample.square().mean().backward()
        return {name: p.grad.clone() for name, p in net.named_parameters()}

    expected = grads(parent, per_token(kwargs))
    plain = grads(model, kwargs)
    model.enable_gradient_checkpointing()
    checkpointed = grads(model, kwargs)
    assert expected.keys() == plain.keys()
    for name in expected:
        assert_close(plain[name], expected[name], atol=1e-5, rtol=1e-3)
        assert torch.equal(checkpointed[name], plain[name]), name


@torch.no_grad()
@pytest.mark.parametrize("autocast", [False, True])
def test_bf16_equals_parent_in_bf16(parent, model, tmp_path, autocast):
    kwargs = inputs()
    if autocast:
        with torch.autocast("cpu", torch.bfloat16):
            ours, theirs = model(**kwargs).sample, parent(**per_token(kwargs)).sample
    else:
        parent.save_pretrained(tmp_path)
        parent = WanTransformer3DModel.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
        model = DirectorTransformer3DModel.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
        assert model.blocks[0].scale_shift_table.dtype == torch.float32
        kwargs = {k: v if k == "timestep" else v.bfloat16() for k, v in kwargs.items()}
        ours, theirs = model(**kwargs).sample, parent(**per_token(kwargs)).sample
    assert ours.dtype == theirs.dtype
    assert_close(ours.float(), theirs.float(), atol=0.03, rtol=0.02)


# ---------------------------------------------------------------- rotary tables


@pytest.mark.parametrize("head_dim", [24, 128])
def test_rotary_is_bit_identical_to_parent_at_integers(head_dim):
    config = CONFIG | {"attention_head_dim": head_dim, "num_layers": 1, "rope_max_seq_len": 1024}
    model = DirectorTransformer3DModel(**config)
    for frames, height, width in [(1, 2, 2), (21, 8, 14), (200, 6, 10)]:
        expected = model.rope(torch.empty(1, 6, frames, height, width))
        for tau in (list(range(frames)), torch.arange(frames), torch.arange(frames, dtype=torch.float32)):
            cos, sin = model.rotary(tau, height, width)
            assert torch.equal(cos, expected[0]) and torch.equal(sin, expected[1])
    # a plan may repeat, skip and reorder integers
    tau = [900, 3, 3, 0]
    cos, _ = model.rotary(tau, 2, 2)
    assert torch.equal(cos[0, :, 0, : model.rope.t_dim], model.rope.freqs_cos[tau, : model.rope.t_dim])


def test_rotary_tables_are_where_they_are_asked_for(model):
    here, there = model.rotary([0.0, 0.5, 1.0], 4, 6), model.rotary([0.0, 0.5, 1.0], 4, 6, "meta")
    assert [table.device.type for table in (*here, *there)] == ["cpu", "cpu", "meta", "meta"]
    assert [table.shape for table in here] == [table.shape for table in there]


def test_rotary_closed_form_at_fractional_negative_and_far_positions(model):
    tau = [-1.5, 0.0, 3.25, 5000.75]
    cos, sin = model.rotary(tau, 2, 2)
    t_dim = model.rope.t_dim
    freqs = 10000.0 ** -(torch.arange(0, t_dim, 2, dtype=torch.float64) / t_dim)
    angle = torch.tensor(tau, dtype=torch.float64)[:, None] * freqs
    assert_close(cos[0, :, 0, :t_dim:2].double(), angle.cos(), atol=1e-7, rtol=0)
    assert_close(sin[0, :, 0, 1:t_dim:2].double(), angle.sin(), atol=1e-7, rtol=0)


def test_attention_score_depends_only_on_the_difference_of_tau(model):
    q, k = torch.randn(2, 24, generator=torch.Generator().manual_seed(0)).double()

    def turned(x, position):
        cos, sin = (table[0, 0, 0].double() for table in model.rotary([position], 2, 2))
        x1, x2 = x[0::2], x[1::2]
        return torch.stack([x1 * cos[0::2] - x2 * sin[1::2], x1 * sin[1::2] + x2 * cos[0::2]], -1).flatten()

    scores = [turned(q, base + 3.25) @ turned(k, base) for base in (0.0, 0.5, 17.75, -4.125)]
    assert_close(torch.stack(scores), scores[0].expand(4), atol=1e-5, rtol=0)
    assert abs(turned(q, 3.5) @ turned(k, 0.0) - scores[0]) > 1e-3


@torch.no_grad()
def test_tau_none_is_the_running_index_and_a_shift_in_time_changes_nothing(model):
    kwargs = inputs()
    base = model(**kwargs).sample
    assert torch.equal(base, model(**kwargs, tau=torch.arange(F)).sample)
    assert_close(base, model(**kwargs, tau=[t - 7.5 for t in range(F)]).sample, atol=1e-5, rtol=0)
    assert (base - model(**kwargs, tau=[0, 1, 2, 2.25, 3.25]).sample).abs().max() > 1e-4


@torch.no_grad()
def test_tau_per_sample_equals_a_loop_over_samples(model):
    kwargs = inputs()
    tau = torch.tensor([[0, 1, 2, 3, 4], [0, 1, 1.25, 2.25, 3.5]])
    together = model(**kwargs, tau=tau).sample
    for b in range(B):
        alone = model(**{k: v[b : b + 1] for k, v in kwargs.items()}, tau=tau[b]).sample
        assert_close(together[b : b + 1], alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_precomputed_rotary_equals_tau(model):
    kwargs = inputs()
    tau = [0, 1, 1.5, 2.5, 3.5]
    assert torch.equal(model(**kwargs, tau=tau).sample, model(**kwargs, rotary_emb=model.rotary(tau, H, W)).sample)


# ---------------------------------------------------------------- living inside diffusers


@torch.no_grad()
@pytest.mark.parametrize(
    "saver, loader",
    [
        (WanTransformer3DModel, DirectorTransformer3DModel),
        (DirectorTransformer3DModel, WanTransformer3DModel),
        (DirectorTransformer3DModel, DirectorTransformer3DModel),
    ],
)
def test_save_and_load_both_ways(tmp_path, saver, loader):
    torch.manual_seed(3)
    saved = saver(**CONFIG).eval()
    saved.save_pretrained(tmp_path)
    loaded = loader.from_pretrained(tmp_path)
    assert type(loaded) is loader
    config = saved.config | {"patch_size": [1, 2, 2]}
    assert all(loaded.config[name] == value for name, value in config.items() if name[0] != "_")
    assert all(
        torch.equal(a, b) for a, b in zip(saved.state_dict().values(), loaded.state_dict().values(), strict=True)
    )
    kwargs = inputs() | {"timestep": torch.tensor([3.0, 700.0])}
    assert_close(loaded(**kwargs).sample, saved(**kwargs).sample, atol=1e-5, rtol=0)


@torch.no_grad()
def test_hooks_on_blocks_fire(model):
    calls = []
    for i, block in enumerate(model.blocks):
        assert type(block) is DirectorTransformerBlock
        block.register_forward_hook(lambda *_, i=i: calls.append(i))
    model(**inputs())
    assert calls == [0, 1, 2]


@torch.no_grad()
@pytest.mark.parametrize("how", ["sequential", "block_level", "leaf_level"])
def test_offloading_keeps_the_output(model, how):
    kwargs = inputs()
    expected = model(**kwargs).sample
    if how == "sequential":
        cpu_offload(model, torch.device("cpu"), offload_buffers=True)
        assert model.blocks[0].ffn.net[2].weight.device.type == "meta"
    else:
        blocks = {"num_blocks_per_group": 1} if how == "block_level" else {}
        apply_group_offloading(model, torch.device("cpu"), offload_type=how, **blocks)
    assert torch.equal(model(**kwargs).sample, expected)


@torch.no_grad()
def test_first_block_cache_skips_the_other_blocks(model):
    calls = []
    model.enable_cache(FirstBlockCacheConfig(threshold=1e6))
    for i, block in enumerate(model.blocks):
        block.attn1.register_forward_hook(lambda *_, i=i: calls.append(i))
    with model.cache_context("cond"):
        first = model(**inputs()).sample
        second = model(**inputs()).sample
    assert calls == [0, 1, 2, 0]
    assert_close(first, second, atol=1e-5, rtol=0)


@torch.no_grad()
def test_lora_scale_is_applied_and_taken_back(model):
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    model.add_adapter(peft.LoraConfig(r=2, lora_alpha=2, target_modules=["to_q"], init_lora_weights=False))
    kwargs = inputs()
    full = model(**kwargs).sample
    without = model(**kwargs, attention_kwargs={"scale": 0.0}).sample
    assert (full - without).abs().max() > 1e-4
    assert torch.equal(full, model(**kwargs).sample)
    model.disable_adapters()
    assert_close(without, model(**kwargs).sample, atol=1e-6, rtol=0)


class LargestTensor(TorchDispatchMode):
    """Remembers the elements of the largest storage that any operation returned."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.size = max(self.size, out.untyped_storage().nbytes() // out.element_size())
        return out


@torch.no_grad()
def test_no_modulation_table_per_token(parent, model):
    """The largest tensor is the feed-forward's hidden one; the parent's is the table of 6 D numbers a token."""
    frames, tokens, dim = 8, 8 * 12, 48
    kwargs = inputs(frames=frames) | {"hidden_states": torch.zeros(B, 6, frames, 16, 24)}
    with LargestTensor() as ours:
        model(**kwargs)
    with LargestTensor() as theirs:
        parent(**(kwargs | {"timestep": kwargs["timestep"].repeat_interleave(tokens, dim=1)}))
    assert ours.size == B * frames * tokens * CONFIG["ffn_dim"]
    assert theirs.size == B * frames * tokens * 6 * dim


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "change, message",
    [
        ({"timestep": torch.zeros(B, F * S + 1)}, r"timestep has shape \(2, 31\).*\(2, 5\)"),
        ({"timestep": torch.arange(B * F * S).view(B, -1)}, "timestep differs within a frame"),
        ({"timestep": torch.zeros(())}, "timestep has shape"),
        ({"tau": [0, 1, 2]}, "18 tokens.*one tau per latent frame"),
        ({"tau": torch.zeros(3, F)}, "covers 3 samples"),
        ({"tau": torch.zeros(1, 1, F)}, "tau has shape"),
        ({"tau": [0, 1, 2, 3, float("nan")]}, "must be finite"),
        ({"encoder_hidden_states_image": torch.zeros(B, 1, 20)}, "encoder_hidden_states_image"),
        ({"hidden_states": torch.zeros(B, 6, F, 5, W)}, "latents are 5 x 6"),
    ],
)
def test_bad_arguments(model, change, message):
    with pytest.raises(ValueError, match=message):
        model(**(inputs() | change))


def test_tau_and_rotary_together_and_unfit_checkpoints_are_refused(model):
    with pytest.raises(ValueError, match="both given"):
        model(**inputs(), tau=range(F), rotary_emb=model.rotary(range(F), H, W))
    with pytest.raises(ValueError, match="image_dim=16"):
        DirectorTransformer3DModel(**CONFIG, image_dim=16)
    with pytest.raises(ValueError, match="patch_size"):
        DirectorTransformer3DModel(**CONFIG, patch_size=(2, 2, 2))
