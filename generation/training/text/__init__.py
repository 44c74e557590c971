"""The text encoder: corpus, tokenizer, distillation, and the probe that judges it."""
