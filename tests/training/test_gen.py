"""Director-Gen's loss and batches."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from smartdirector_lite.gen.pipeline import DirectorGenPipeline
from smartdirector_lite.timeline import TAU_SCHEMES
from smartdirector_lite.training import gen
from smartdirector_lite.training.clips import ClipEntry
from smartdirector_lite.training.text import CAPTION_TOKENS

ENTRY = ClipEntry(30, (0, 13), (), "a caption", "short")


class Oracle(nn.Module):
    """Knows x_0, and so the true velocity; what it says at anchors is nonsense. Keeps what it was asked."""

    def __init__(self, x_0: torch.Tensor):
        super().__init__()
        self.x_0, self.scale = x_0, nn.Parameter(torch.ones(()))

    def forward(self, latents, t, tokens, mask, tau):
        self.asked = {"latents": latents, "t": t, "tokens": tokens, "mask": mask, "tau": tau}
        t = t[:, None, :, None, None]
        return torch.where(t > 0, self.scale * (latents - self.x_0) / t.clamp(min=1e-3), 1e4)


def batch_of(anchors: list[list[bool]]) -> dict[str, torch.Tensor]:
    shape = (len(anchors), 3, len(anchors[0]), 2, 4)
    return {
        "x_0": torch.randn(shape, generator=torch.Generator().manual_seed(1)),
        "anchors": torch.tensor(anchors),
        "t": torch.linspace(0.3, 0.9, len(anchors)),
        "tokens": torch.zeros(len(anchors), 5, dtype=torch.long),
        "mask": torch.ones(len(anchors), 5, dtype=torch.long),
        "tau": torch.rand(len(anchors), len(anchors[0])),
    }


def test_the_true_velocity_has_no_loss_and_anchors_are_clean():
    batch = batch_of([[True, False, False, True], [False, False, True, False]])
    model = Oracle(batch["x_0"])
    assert gen.flow_loss(model, batch)["loss"] < 1e-9
    asked, anchors = model.asked, batch["anchors"]
    assert torch.equal(asked["t"], torch.where(anchors, 0.0, batch["t"][:, None]))
    clean = anchors[:, None, :, None, None].expand_as(batch["x_0"])
    assert torch.equal(asked["latents"][clean], batch["x_0"][clean])
    assert (asked["latents"] != batch["x_0"])[~clean].all()
    assert all(torch.equal(asked[name], batch[name]) for name in ("tokens", "mask", "tau"))


def test_the_loss_is_the_mean_over_what_is_no_anchor():
    batch = batch_of([[True, False, False], [False, False, True]])
    model = Oracle(batch["x_0"])
    nn.init.zeros_(model.scale)  # says 0 everywhere else
    torch.manual_seed(3)
    loss = gen.flow_loss(model, batch)["loss"]
    torch.manual_seed(3)
    velocity = torch.randn_like(batch["x_0"]) - batch["x_0"]
    free = (~batch["anchors"])[:, None, :, None, None].expand_as(velocity)
    assert_close(loss, velocity[free].square().mean(), rtol=1e-5, atol=0)
    x_1 = velocity + batch["x_0"]
    t = batch["t"][:, None, None, None, None]
    assert_close(model.asked["latents"][free], ((1 - t) * batch["x_0"] + t * x_1)[free])


def test_a_batch_of_anchors_alone_teaches_nothing():
    batch = batch_of([[True, True]])
    model = Oracle(batch["x_0"])
    loss = gen.flow_loss(model, batch)["loss"]
    loss.backward()
    assert loss == 0 and model.scale.grad == 0


def test_captions_are_left_out_as_often_as_asked():
    config = gen.GenConfig(text_dropout=0.2, description_only=0.3)
    rng = np.random.default_rng(0)
    drawn = [gen.caption_of(rng, ENTRY, config) for _ in range(2000)]
    assert drawn.count("") / 2000 == pytest.approx(0.2, abs=0.03)
    assert drawn.count("short") / 2000 == pytest.approx(0.3, abs=0.03)
    assert drawn.count("a caption") / 2000 == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("scheme", TAU_SCHEMES)
def test_batches_carry_the_scheme_and_the_gap_of_the_weights(scheme):
    plan = ENTRY.plan(4)
    clips = [(torch.randn(8, plan.num_latents, 4, 4), ENTRY)] * 2

    def read_texts(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(texts), 3), torch.ones(len(texts), 3)

    own = {"tau_scheme": scheme, "cut_gap": 3.0}
    batch = gen.gen_batch(np.random.default_rng(0), clips, 4, gen.GenConfig(), read_texts, own)
    assert torch.equal(batch["tau"], torch.tensor([plan.tau(scheme, 3.0)] * 2))


def test_training_reads_text_as_the_pipeline_does(wan_folder):
    pipeline = DirectorGenPipeline.from_pretrained(wan_folder)
    text = pipeline.tokenizer(["a red ball"], padding="max_length", max_length=CAPTION_TOKENS, return_tensors="pt")
    seen = []
    model = gen.TrainedGen(pipeline.text_encoder, pipeline.transformer, None)
    handle = pipeline.transformer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[2]))
    with torch.no_grad():
        latents, tau = torch.randn(1, 8, 2, 4, 4), torch.tensor([[0.0, 1.0]])
        model(latents, torch.tensor([[0.0, 500.0]]), text.input_ids, text.attention_mask, tau)
        expected, _ = pipeline.encode_prompt(
            "a red ball", None, False, max_sequence_length=CAPTION_TOKENS, device=torch.device("cpu")
        )
    handle.remove()
    assert_close(seen[0], expected, atol=1e-6, rtol=0)
    assert (expected[0, 10:] == 0).all() and (expected[0, :3] != 0).any()
