#!/usr/bin/env python3
"""kills.py BIN --world W [--times 20]: `train` killed with SIGKILL at random moments and resumed ends with the weights of a run that was left alone.

Each time another moment: within a step, a save, a validation, or before anything was saved.  With one and two loader threads, an average, a loss with
weights of its own, and a new state after every third step.  Then a disk that fills up in the middle of a save: the last good state is resumed from."""
import argparse, os, random, signal, subprocess, sys, time
from pathlib import Path

from support import Report  # noqa: E402

OPTIONS = ["--steps", "40", "--batch", "8", "--set", "saving.every_steps=3", "--validate-every", "11", "--set", "average.decay=0.9",
           "--set", "losses.identity.weight=0.5", "--precision", "fp32", "--threads", "1", "--seed", "4",
           "--set", "model.vision.hidden_size=32", "--set", "model.vision.num_hidden_layers=2", "--set", "model.vision.num_attention_heads=2",
           "--set", "model.vision.intermediate_size=[64]", "--set", "model.text.hidden_size=32", "--set", "model.text.num_hidden_layers=2",
           "--set", "model.text.num_attention_heads=2", "--set", "model.text.intermediate_size=[64]"]
