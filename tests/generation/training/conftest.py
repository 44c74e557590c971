"""A whole training directory in miniature, made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from generation.training import autoencoder as ae
from generation.training import unet as un
from generation.training.captions import facts_of
from generation.training.compose import compose
from generation.training.latents import encode_shards, load_autoencoder
from generation.training.shards import Clips, write_shard
from generation.training.text.encoder import new_encoder, save_encoder
from generation.training.text.tokenizer import save_tokenizer, train_tokenizer

SMALL = (8, 8, 8, 16)
SMALL_UNET = (16, 16, 32, 32)


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # threads that wait for each other are slow on a busy machine


@pytest.fixture(scope="package")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training directory with four clips, a text encoder, an autoencoder, latents, a UNet."""
    folder = tmp_path_factory.mktemp("training")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:512, 0:512]
    pictures = np.stack([
        (200 + 50 * np.sin(rows / (8 + 4 * i)) * np.sin(columns * 2 * np.pi * (i + 2) / 512))
        for i in range(4)
    ]) + rng.normal(0, 2, (4, 512, 512))  # fmt: skip
    styles = ["techno", "rain", "jazz trio", "guitar solo"]
    facts = [facts_of(compose(name, i), "fluidr3") for i, name in enumerate(styles)]
    write_shard(folder / "clips", 0, pictures.clip(0, 255).astype(np.uint8), facts)
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["techno", "rain", "jazz trio"], vocabulary=600)
    save_tokenizer(tokenizer, folder / "text" / "tokenizer")
    save_encoder(new_encoder(tokenizer, layers=1), folder / "text" / "text_encoder")
    model = ae.new_autoencoder(SMALL)
    ae.whiten(model, Clips(folder / "clips"))
    model.save_pretrained(folder / "autoencoder" / "vae")
    encode_shards(load_autoencoder(folder / "autoencoder" / "vae"), folder / "clips",
                  folder / "latents")  # fmt: skip
    un.new_unet(SMALL_UNET).save_pretrained(folder / "unet" / "ema")
    return folder
