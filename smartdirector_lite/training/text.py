"""The tiny model's tokenizer and text encoder, in the classes that Wan uses."""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

CAPTION_TOKENS = 144  # the longest caption, its end mark included; those of the toy world have at most 140
HEAD_DIM = 48


def train_tokenizer(texts: Iterable[str], vocab_size: int = 1024) -> PreTrainedTokenizerFast:
    """Train byte-level BPE on lower-cased text. Common words become one token, and no text is out of vocabulary.

    The same texts give the same tokenizer. Text that is to be truncated is cut at CAPTION_TOKENS.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=CAPTION_TOKENS,
    )


def build_text_encoder(vocab_size: int, dim: int = 192, layers: int = 2) -> UMT5EncoderModel:
    """Make a small random UMT5 encoder. ValueError unless dim is a multiple of HEAD_DIM."""
    if dim % HEAD_DIM or dim < HEAD_DIM:
        raise ValueError(f"text_dim = {dim}: give a multiple of {HEAD_DIM}")
    config = UMT5Config(
        vocab_size=vocab_size,
        d_model=dim,
        d_kv=HEAD_DIM,
        d_ff=2 * dim,
        num_layers=layers,
        num_heads=dim // HEAD_DIM,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        relative_attention_num_buckets=32,
    )
    return UMT5EncoderModel(config)
