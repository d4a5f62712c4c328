"""The tiny model's tokenizer and text encoder."""

import pytest

from smartdirector_lite.toyworld import sample_scene
from smartdirector_lite.training.clips import scene_caption
from smartdirector_lite.training.text import CAPTION_TOKENS, build_text_encoder, train_tokenizer


def test_the_tokenizer_knows_its_words_and_loses_none():
    captions = [scene_caption(sample_scene(seed, 49)) for seed in range(300)]
    tokenizer = train_tokenizer(captions)
    assert tokenizer.get_vocab() == train_tokenizer(captions).get_vocab()
    tokens = tokenizer("Rory walks right.").input_ids
    assert tokenizer.convert_ids_to_tokens(tokens) == ["Ġrory", "Ġwalks", "Ġright", ".", "</s>"]
    for text in ("rory and the übermoose 🦌", "quizzical"):  # bytes, where there is no word
        assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True).strip() == text
    longest = max(len(tokenizer(scene_caption(sample_scene(seed, 73, 3))).input_ids) for seed in range(300))
    assert longest <= CAPTION_TOKENS
    assert len(tokenizer("word " * 999, truncation=True).input_ids) == CAPTION_TOKENS


def test_a_text_width_without_whole_heads_is_refused():
    with pytest.raises(ValueError, match="text_dim = 100"):
        build_text_encoder(300, dim=100)
