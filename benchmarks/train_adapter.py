"""Trains what carries a question over to the language of logs: ``logsense/enrich/adapter.safetensors``,
and the vectors of the examples, ``logsense/search/phrasebook.safetensors``.

PYTHONPATH=. python benchmarks/train_adapter.py [--vectors-only]

Low-rank additions (Hu et al. 2021, LoRA) to the packaged sentence model, for questions only: templates keep their
vectors, so an index need not be built anew. The examples are those of ``phrasebook.txt`` and ``glossary.toml``, which
are general language of operations; no recording and no question of an evaluation is read. The loss is multi-positive
cross entropy of a question over all log forms (scale 20), and 5 times the cosine distance to the unadapted vector, so
that what the model knew of the rest of the language stays. Five minutes on one core.
"""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from logsense.enrich import SentenceEmbedder, describe
from logsense.enrich.embeddings import DEFAULT_MODEL
from logsense.search.glossary import glossary
from logsense.search.phrasebook import VECTORS, background_texts, fingerprint, read_lines, spoken

RANK, EPOCHS, BATCH, RATE, SCALE, STAY = 8, 5, 32, 3e-4, 20.0, 5.0
PLACES = (
    "attention.self.query",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
OUT = Path(__file__).parents[1] / "logsense" / "enrich" / "adapter.safetensors"


class LowRank(torch.nn.Module):
    """A linear layer with ``x Aᵀ Bᵀ`` added to what it gives."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.linear = linear
        self.a = torch.nn.Parameter(torch.randn(RANK, linear.in_features) / math.sqrt(linear.in_features))
        self.b = torch.nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.linear(x) + (x @ self.a.T) @ self.b.T
        return y


def examples() -> list[tuple[list[str], list[str]]]:
    """(log forms, questions) of a subject each."""
    lines = [(list(line.log), list(line.asked)) for line in read_lines()]
    return lines + [([" ".join(c.log[:3])], list(c.plain)) for c in glossary().concepts]


def main(out: Path) -> None:
    torch.manual_seed(0)
    random.seed(0)
    torch.set_num_threads(1)
    subjects = examples()
    logs = [form for forms, _ in subjects for form in forms]
    of_log = np.array([at for at, (forms, _) in enumerate(subjects) for _ in forms])
    pairs = [(question, at) for at, (_, questions) in enumerate(subjects) for question in questions]
    embedder = SentenceEmbedder()
    views = embedder.encode([describe(form) or form for form in logs]) + embedder.encode(
        [spoken(describe(form) or form) for form in logs]
    )
    targets = torch.tensor(views / np.linalg.norm(views, axis=1, keepdims=True))
    before = dict(zip([q for q, _ in pairs], embedder.encode([q for q, _ in pairs]), strict=True))

    sentence_model = embedder._model
    model, tokenizer = sentence_model[0].auto_model, sentence_model.tokenizer
    for parameter in model.parameters():
        parameter.requires_grad = False
    added: dict[str, LowRank] = {}
    for number, layer in enumerate(model.encoder.layer):
        for place in PLACES:
            *path, last = place.split(".")
            owner = layer
            for name in path:
                owner = getattr(owner, name)
            adapted = LowRank(getattr(owner, last))
            setattr(owner, last, adapted)
            added[f"encoder.layer.{number}.{place}"] = adapted
    weights = [weight for module in added.values() for weight in (module.a, module.b)]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.01)

    def encode(texts: list[str]) -> torch.Tensor:
        batch = tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].float()
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)

    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.05
    for epoch in range(EPOCHS):
        random.shuffle(pairs)
        total = 0.0
        for start in range(0, len(pairs), BATCH):
            batch = pairs[start : start + BATCH]
            vectors = encode([question for question, _ in batch])
            scores = vectors @ targets.T * SCALE
            right = torch.tensor(np.stack([of_log == at for _, at in batch]))
            likelihood = torch.logsumexp(scores.masked_fill(~right, -1e9), 1) - torch.logsumexp(scores, 1)
            plain = torch.tensor(np.stack([before[question] for question, _ in batch]))
            loss = -likelihood.mean() + STAY * (1 - (vectors * plain).sum(1)).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {total * BATCH / len(pairs):.3f}", flush=True)
    tensors = {f"{name}.{part}": getattr(module, part).detach().half().contiguous()
               for name, module in added.items() for part in ("a", "b")}  # fmt: skip
    save_file(tensors, out)
    print(f"{out}: {out.stat().st_size // 1024} kB")


def keep_vectors(out: Path) -> None:
    """The examples' vectors by the packaged model, so that no process has to compute them at its start."""
    encode = SentenceEmbedder().encode
    made = {
        "log": encode([form for line in read_lines() for form in line.log]),
        "asked": encode([form for line in read_lines() for form in line.asked]),
        "background": encode(background_texts()),
    }
    tensors = {name: torch.tensor(rows).half() for name, rows in made.items()}
    save_file(tensors, out, {"model": DEFAULT_MODEL, "examples": fingerprint()})
    print(f"{out}: {out.stat().st_size // 1024} kB")


if __name__ == "__main__":
    if "--vectors-only" not in sys.argv:
        main(OUT)
    keep_vectors(VECTORS)
