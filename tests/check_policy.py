#!/usr/bin/env python3
"""Load policy.safetensors without telos and print the action it takes.

    check_policy.py FILE                     tensor names and shapes, metadata
    check_policy.py FILE OBS... GOAL...      and the action tanh(mean) for this input
    check_policy.py FILE OBS... GOAL... --expect ACTION... [--tolerance 1e-5]
                                             exit 1 when it differs by more

The file is read by a parser of its own, with NumPy alone; when PyTorch is
there, the tensors are loaded into torch.nn modules too, and both must agree.
Exit 77: NumPy is missing, nothing was checked.
"""

import argparse
import json
import re
import sys

try:
    import numpy as np
except ImportError:
    print("skipped: check_policy.py needs NumPy (Debian: python3-numpy)")
    sys.exit(77)

try:
    import torch
except ImportError:
    torch = None


def read_safetensors(path):
    """Tensors by name, and metadata: the format is a length, a JSON header, raw data."""
    with open(path, "rb") as f:
        raw = f.read()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    meta = header.pop("__metadata__", {})
    data = memoryview(raw)[8 + size:]
    tensors, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda kv: kv[1]["data_offsets"]):
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
        assert entry["data_offsets"][0] == end, f"{name} leaves a hole"
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    assert end == len(data), "bytes after the last tensor"
    return tensors, meta


def hidden_layers(tensors):
    """Indices of the hidden layers as nn.Sequential numbers them: 0, 2, 4, .."""
    found = (re.fullmatch(r"actor\.net\.(\d+)\.weight", name) for name in tensors)
    return sorted(int(m.group(1)) for m in found if m)


def act_numpy(tensors, x):
    for i in hidden_layers(tensors):
        weight, bias = tensors[f"actor.net.{i}.weight"], tensors[f"actor.net.{i}.bias"]
        x = np.maximum(weight @ x + bias, 0)
    return np.tanh(tensors["actor.mean.weight"] @ x + tensors["actor.mean.bias"])


def act_torch(tensors, x):
    """The module that a user would write; strict loading checks every name and shape."""

    def linear(name):
        rows, cols = tensors[f"{name}.weight"].shape
        return torch.nn.Linear(cols, rows)

    layers = []
    for i in hidden_layers(tensors):
        layers += [linear(f"actor.net.{i}"), torch.nn.ReLU()]
    parts = {"net": torch.nn.Sequential(*layers)}
    parts.update({head: linear(f"actor.{head}") for head in ("mean", "log_std")})
    actor = torch.nn.ModuleDict(parts)
    policy = torch.nn.ModuleDict({"actor": actor})
    policy.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in tensors.items()})
    with torch.no_grad():
        return torch.tanh(actor["mean"](actor["net"](torch.from_numpy(x)))).numpy()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("file")
    parser.add_argument("input", nargs="*", type=float)
    parser.add_argument("--expect", nargs="+", type=float)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    args = parser.parse_args()

    tensors, meta = read_safetensors(args.file)
    if not args.input:
        for name, tensor in tensors.items():
            print(name, list(tensor.shape))
        for key, value in sorted(meta.items()):
            print(f"{key} = {value}")
        return 0

    width = int(meta["obs"]) + int(meta["goal"])
    if len(args.input) != width:
        print(f"{args.file} takes {meta['obs']} + {meta['goal']} numbers, not {len(args.input)}")
        return 64
    x = np.array(args.input, dtype=np.float32)
    action = act_numpy(tensors, x)
    print(" ".join(f"{a:.9g}" for a in action))

    worst = 0.0
    if torch is None:
        print("skipped: PyTorch is not installed, NumPy alone", file=sys.stderr)
    else:
        worst = float(np.max(np.abs(act_torch(tensors, x) - action)))
    if args.expect:
        if len(args.expect) != len(action):
            print(f"{args.file} gives {len(action)} numbers, not {len(args.expect)}")
            return 1
        worst = max(worst, float(np.max(np.abs(np.array(args.expect) - action))))
    if not worst <= args.tolerance:
        print(f"differs by {worst:.3g}, allowed {args.tolerance:.3g}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
