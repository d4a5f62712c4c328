"""What a call of a pipeline may be given. Each check raises a ValueError of one line that names the argument."""

import math
import numbers
import reprlib

from torch import Tensor

from ..timeline import check_int

OUTPUT_TYPES = ("pil", "np", "pt", "latent")

Texts = str | list[str] | None


def check_size(height: int, width: int, multiple: tuple[int, int]) -> None:
    """height and width are multiples of `multiple`, in the same order; the message names the nearest size that is."""
    check_int("height", height, 1)
    check_int("width", width, 1)
    down, across = multiple
    if height % down or width % across:
        near = max(across, round(width / across) * across), max(down, round(height / down) * down)
        raise ValueError(
            f"size {width}x{height}: the width must be a multiple of {across} and the height of {down}; "
            f"the nearest is {near[0]}x{near[1]}"
        )


def check_numbers(steps: int, max_steps: int, guidance_scale: float, copies: int, max_length: int) -> None:
    """The numbers of a call, under the names that a pipeline gives them."""
    check_int("num_inference_steps", steps, 1, max_steps)
    check_int("num_videos_per_prompt", copies, 1)
    check_int("max_sequence_length", max_length, 1)
    if isinstance(guidance_scale, bool) or not isinstance(guidance_scale, numbers.Real):
        raise ValueError(f"guidance_scale must be a number, got {reprlib.repr(guidance_scale)}")
    if not (math.isfinite(guidance_scale) and guidance_scale >= 0):
        raise ValueError(f"guidance_scale must be 0 or more, got {guidance_scale}")


def check_output_type(output_type: str) -> None:
    if output_type not in OUTPUT_TYPES:
        raise ValueError(f"output_type must be one of {', '.join(OUTPUT_TYPES)}, got {reprlib.repr(output_type)}")


def check_latents(latents: Tensor, needed: tuple[int, ...]) -> None:
    if tuple(latents.shape) != needed:
        raise ValueError(f"latents has shape {tuple(latents.shape)}; this call needs {needed}")


def check_texts(
    texts: tuple[Texts, Texts],
    embeds: tuple[Tensor | None, Tensor | None],
    guided: bool,
    has_encoder: bool,
    text_dim: int,
) -> int:
    """The texts and embeddings of a call, each pair for the prompt and for the negative prompt.

    guided: whether the negative ones are used. text_dim: the width of an embedding. Returns how many prompts there are.
    """
    for name, text, value in zip(("prompt", "negative_prompt"), texts, embeds, strict=True):
        if text is not None and value is not None:
            raise ValueError(f"{name} and {name}_embeds are both given; give one of them")
        if text is not None and not has_encoder:
            raise ValueError(f"{name}: this pipeline has no text encoder; give {name}_embeds instead")
        listed = [text] if isinstance(text, str) else text
        if text is not None and not (isinstance(listed, list) and listed and all(isinstance(t, str) for t in listed)):
            raise ValueError(f"{name} must be a text or a list of texts, got {reprlib.repr(text)}")
        if value is not None and (value.ndim != 3 or 0 in value.shape or value.shape[2] != text_dim):
            raise ValueError(f"{name}_embeds has shape {tuple(value.shape)}; give (prompts, tokens, {text_dim})")
    prompts, negatives = (_count(text, value) for text, value in zip(texts, embeds, strict=True))
    if prompts == 0:
        raise ValueError("prompt: give a text (an empty one, too) or prompt_embeds")
    if guided and negatives == 0 and not has_encoder:
        raise ValueError("negative_prompt_embeds: needed with guidance_scale > 1 where there is no text encoder")
    if negatives not in (0, prompts) and not isinstance(texts[1], str):
        raise ValueError(f"negative_prompt: {negatives} given for {prompts} prompts; give one each")
    return prompts


def _count(text: Texts, embeds: Tensor | None) -> int:
    if isinstance(text, str):
        return 1
    given = embeds if text is None else text
    return 0 if given is None else len(given)
