"""The text input of Director-Gen: texts, or embeddings in place of texts."""

import reprlib
from dataclasses import dataclass

from diffusers import WanPipeline
from diffusers.utils import logging
from torch import Tensor

from ..vae.causal import check_shape

MAX_TOKENS = 512  # the longest text that Wan reads
logger = logging.get_logger(__name__)

Texts = str | list[str] | None


@dataclass(frozen=True, eq=False)
class Prompt:
    """The words of a call, for the prompt and for the negative prompt: texts, or embeddings (prompts, L, D)."""

    text: Texts
    negative: Texts
    embeds: Tensor | None
    negative_embeds: Tensor | None

    def check(self, pipeline: WanPipeline) -> int:
        """Return how many prompts there are.

        Raises:
            ValueError: for what is missing, doubled or of another form, in one line that names the argument.
        """
        has_encoder = pipeline.text_encoder is not None and pipeline.tokenizer is not None
        text_dim = pipeline.transformer.config.text_dim
        prompts = _count("prompt", self.text, self.embeds, has_encoder, text_dim)
        negatives = _count("negative_prompt", self.negative, self.negative_embeds, has_encoder, text_dim)
        if prompts == 0:
            raise ValueError("prompt: give a text (an empty one, too) or prompt_embeds")
        if pipeline.do_classifier_free_guidance and negatives == 0 and not has_encoder:
            raise ValueError("negative_prompt_embeds: needed with guidance_scale > 1 where there is no text encoder")
        if negatives not in (0, prompts) and not isinstance(self.negative, str):
            raise ValueError(f"negative_prompt: {negatives} given for {prompts} prompts; give one each")
        return prompts

    def embed(self, pipeline: WanPipeline, copies: int, max_length: int) -> tuple[Tensor, Tensor | None]:
        """Return the embeddings (B, L, D) of prompts and negative prompts, computed or given, once for each copy."""
        device, guided = pipeline._execution_device, pipeline.do_classifier_free_guidance
        if pipeline.tokenizer is not None:
            max_length = min(max_length, pipeline.tokenizer.model_max_length)
        for text in [self.text] if isinstance(self.text, str) else self.text or ():
            if len(pipeline.tokenizer(text, truncation=True, max_length=max_length + 1).input_ids) > max_length:
                logger.warning(f"The prompt has more than {max_length} tokens; the rest is not read: {text[-60:]!r}")
        given, words = (self.embeds, self.negative_embeds), (self.text, self.negative)
        # diffusers would copy the embeddings that it makes, but not those that are given
        made = pipeline.encode_prompt(*words, guided, 1, *given, max_sequence_length=max_length, device=device)
        copied = (None if embeds is None else embeds.repeat_interleave(copies, dim=0) for embeds in made)
        return tuple(None if embeds is None else embeds.to(device, pipeline.transformer.dtype) for embeds in copied)


def check_floats(name: str, value: object, *needed: int | str) -> None:
    """Raise a ValueError unless `value` is a tensor of finite floats of this shape, see `check_shape`."""
    check_shape(name, value, *needed)
    if not value.is_floating_point() or not value.isfinite().all():
        raise ValueError(f"{name} holds values that are no finite floats ({value.dtype}); give others")


def _count(name: str, text: Texts, embeds: Tensor | None, has_encoder: bool, text_dim: int) -> int:
    """How many texts or embeddings there are, each checked."""
    if text is not None and embeds is not None:
        raise ValueError(f"{name} and {name}_embeds are both given; give one of them")
    if embeds is not None:
        check_floats(f"{name}_embeds", embeds, "B", "L", text_dim)
        return len(embeds)
    if text is None:
        return 0
    if not has_encoder:
        raise ValueError(f"{name}: this pipeline has no text encoder; give {name}_embeds instead")
    listed = [text] if isinstance(text, str) else text
    if not (isinstance(listed, list) and listed and all(isinstance(one, str) for one in listed)):
        raise ValueError(f"{name} must be a text or a list of texts, got {reprlib.repr(text)}")
    for one in listed:
        if not one.isascii() and any("\ud800" <= letter <= "\udfff" for letter in one):
            raise ValueError(f"{name} holds half of a surrogate pair; leave it out: {reprlib.repr(one)}")
    return len(listed)
