from __future__ import annotations

from generation.layout import choose_files, choose_weights

# What the repository of Stable Diffusion 1.5 held, shortened.
HUB = """.gitattributes README.md model_index.json v1-5-pruned.ckpt v1-5-pruned-emaonly.safetensors
feature_extractor/preprocessor_config.json safety_checker/config.json
safety_checker/model.safetensors safety_checker/pytorch_model.bin
scheduler/scheduler_config.json text_encoder/config.json text_encoder/model.fp16.safetensors
text_encoder/model.safetensors text_encoder/pytorch_model.bin text_encoder/pytorch_model.fp16.bin
tokenizer/merges.txt tokenizer/special_tokens_map.json tokenizer/tokenizer_config.json
tokenizer/vocab.json unet/config.json unet/diffusion_pytorch_model.bin
unet/diffusion_pytorch_model.fp16.bin unet/diffusion_pytorch_model.fp16.safetensors
unet/diffusion_pytorch_model.non_ema.bin unet/diffusion_pytorch_model.non_ema.safetensors
unet/diffusion_pytorch_model.safetensors unet/diffusion_pytorch_model.onnx vae/config.json
vae/diffusion_pytorch_model.bin vae/diffusion_pytorch_model.safetensors""".split()

SMALL = {
    "README.md",
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "vae/config.json",
}


def test_one_copy_of_each_model_is_downloaded() -> None:
    assert set(choose_files(HUB, half=False)) == SMALL | {
        "text_encoder/model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    }


def test_for_half_precision_the_small_copies_are_taken_where_there_are_some() -> None:
    assert set(choose_files(HUB, half=True)) == SMALL | {
        "text_encoder/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    }


def test_settings_alone_bring_no_weights() -> None:
    assert set(choose_files(HUB, half=False, weights=False)) == SMALL


def test_pickles_are_the_last_resort() -> None:
    names = ["pytorch_model.bin", "pytorch_model.fp16.bin", "model.fp16.safetensors"]
    assert choose_weights("text_encoder", names, half=False) == ["model.fp16.safetensors"]
    assert choose_weights("text_encoder", names[:2], half=False) == ["pytorch_model.bin"]
    assert choose_weights("text_encoder", names[:2], half=True) == ["pytorch_model.fp16.bin"]
    assert choose_weights("text_encoder", ["flax_model.msgpack"], half=False) == []


def test_shards_count_only_together() -> None:
    shards = [f"diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    assert choose_weights("unet", shards, half=False) == shards
    assert choose_weights("unet", shards[:1], half=False) == []
