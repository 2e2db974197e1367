"""Add a dependency penalty to what a Hugging Face Trainer trains: ``python examples/huggingface_trainer.py``."""

import tempfile

import torch
from transformers import CLIPConfig, CLIPModel, Trainer, TrainingArguments

from comodal.integrations.huggingface import attach_to_trainer


def model() -> CLIPModel:
    """Return a small random CLIP; take a pretrained one instead."""
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**size, "vocab_size": 50, "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 2}
    return CLIPModel(CLIPConfig(text_config=text, vision_config={**size, "image_size": 8, "patch_size": 4}))


def collate(rows: list[dict[str, torch.Tensor]]) -> dict[str, object]:
    """Return a batch; ``return_loss`` asks CLIP for its own loss."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]} | {"return_loss": True}


def main() -> dict[str, float]:
    """Train on random data and return what was logged last."""
    rows = [{"input_ids": torch.randint(3, 50, (8,)), "pixel_values": torch.randn(3, 8, 8)} for _ in range(64)]
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(folder, max_steps=8, logging_steps=4, use_cpu=True, disable_tqdm=True)
        trainer = Trainer(model(), args, train_dataset=rows, data_collator=collate)
        layers = {"text": "text_projection", "image": "visual_projection"}  # paths as in model.named_modules()
        attach_to_trainer(trainer, layers, measure="kl", weight=0.1)
        trainer.train()
    return [logs for logs in trainer.state.log_history if "loss" in logs][-1]


if __name__ == "__main__":
    print(main())
