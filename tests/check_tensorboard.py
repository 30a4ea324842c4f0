#!/usr/bin/env python3
"""Train, kill and resume a run, and read what TensorBoard's own code shows of it.

    check_tensorboard.py BIN             BIN/telos trains in a temporary folder
    check_tensorboard.py BIN --server    and ask TensorBoard itself, too: its fast loader, its pages

A run that was killed twice, the second time within a record, shows the points of one that was
not, each step once, and these are the rows of progress.csv and eval.csv.
Exit 77: the package tensorboard is missing, nothing was checked.
"""

import argparse
import csv
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

try:
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.plugins.hparams import plugin_data_pb2
except ImportError:
    print("skipped: check_tensorboard.py needs the package tensorboard (pip install tensorboard)")
    sys.exit(77)

SETTINGS = ["run.steps=12000", "eval.every=1000", "checkpoint.every=1000", "net.hidden=16",
            "outcome.hidden=16", "train.updates_per_step=2"]
COLUMNS = {  # tag: file, column; learner/tensorboard.h
    "rollout/ep_len_mean": ("progress.csv", "ep_len"),
    "rollout/ep_final_distance_mean": ("progress.csv", "ep_distance"),
    "time/episodes": ("progress.csv", "episodes"),
    "train/n_updates": ("progress.csv", "updates"),
    "train/critic_loss": ("progress.csv", "loss_q"),
    "train/actor_loss": ("progress.csv", "loss_pi"),
    "train/ent_coef": ("progress.csv", "alpha"),
    "train/q0": ("progress.csv", "q0"),
    "eval/score": ("eval.csv", "score"),
    "eval/success_rate": ("eval.csv", "success"),
    "eval/final_distance": ("eval.csv", "final_distance"),
}


def start(args, name):
    return subprocess.Popen(
        [os.path.join(args.bin, "telos"), "train", "box2d", "--runs", args.out, "--name", name,
         "--actors", "2", "--threads", "1", *SETTINGS],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def newest_checkpoint(run):
    names = glob.glob(os.path.join(run, "checkpoints", "step_*"))
    return max([int(m.group(1)) for m in (re.search(r"step_(\d+)$", n) for n in names) if m],
               default=0)


def kill_at(process, run, steps):
    """Kill a run, with all its processes, once it has a checkpoint of so many steps."""
    while newest_checkpoint(run) < steps:
        assert process.poll() is None, f"{run} ended before {steps} steps"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tear(run):
    """Leave half a record at the end of the newest event file."""
    path = sorted(glob.glob(os.path.join(run, "events.out.tfevents.*")))[-1]
    with open(path, "r+b") as f:
        f.seek(0, os.SEEK_END)
        f.write((200).to_bytes(8, "little") + b"half a record")


def load(run):
    loaded = event_accumulator.EventAccumulator(
        run, size_guidance={event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0})
    loaded.Reload()
    return loaded


def points(loaded, tag):
    return [(e.step, e.value) for e in loaded.Scalars(tag)]


def check_rows(run, loaded):
    """What is shown are the rows of the files, each step once."""
    tags = loaded.Tags()["scalars"]
    for tag in tags:
        steps = [s for s, _ in points(loaded, tag)]
        assert steps == sorted(set(steps)), f"{run}: {tag}: steps {steps}"
    for tag, (name, column) in COLUMNS.items():
        with open(os.path.join(run, name)) as f:
            rows = [(int(r["steps"]), float(r[column])) for r in csv.DictReader(f) if r[column]]
        shown = points(loaded, tag)
        assert rows and [s for s, _ in shown] == [s for s, _ in rows], f"{run}: {tag}: {shown}"
        assert all(abs(a - b) <= 1e-6 * abs(b) for (_, a), (_, b) in zip(shown, rows)), tag
    assert all(e.value > 0 for e in loaded.Scalars("time/fps"))


def check_settings(loaded):
    text = loaded.Tensors("hyperparameters")[0].tensor_proto.string_val[0].decode()
    assert text.startswith("| setting | value |\n| --- | --- |\n"), text
    assert "\n| net.hidden | [16] |\n" in text and "\n| task | box2d |\n" in text, text
    content = loaded.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start_info = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start_info.hparams["run.steps"].number_value == 12000
    assert start_info.hparams["train.rule"].string_value == "odac"
    assert start_info.hparams["net.standardize"].bool_value is True
    content = loaded.SummaryMetadata("_hparams_/session_end_info").plugin_data.content
    end_info = plugin_data_pb2.HParamsPluginData.FromString(content).session_end_info
    assert end_info.status == 1, end_info


def get(url, **query):
    with urllib.request.urlopen(url + "?" + urllib.parse.urlencode(query), timeout=60) as answer:
        return json.load(answer)


def check_server(args, expected):
    """TensorBoard itself, with the loader that it takes by default."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", args.out, "--port", "0",
         "--load_fast", "true"], stderr=subprocess.PIPE, text=True)
    try:
        url = None
        while url is None:
            line = process.stderr.readline()
            assert line, "tensorboard ended"
            m = re.search(r"http://\S+", line)
            url = m.group(0).rstrip("/") if m else None
        base = url + "/data/plugin/"
        while len(get(base + "scalars/tags")) < 2:
            time.sleep(0.2)
        for tag, shown in expected.items():
            for run in ("whole", "killed"):
                answer = []
                for _ in range(50):  # it loads in the background
                    answer = get(base + "scalars/scalars", run="box2d/" + run, tag=tag)
                    if len(answer) == len(shown):
                        break
                    time.sleep(0.2)
                got = [(int(step), value) for _, step, value in answer]
                assert [s for s, _ in got] == [s for s, _ in shown], f"{run}: {tag}: {got}"
                assert all(abs(a - b) <= 1e-6 * abs(b) for (_, a), (_, b) in zip(got, shown)), tag
        texts = get(base + "text/text", run="box2d/whole", tag="hyperparameters")
        assert "<table>" in texts[0]["text"], texts
        print("the server shows the same")
    finally:
        process.terminate()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("bin")
    parser.add_argument("--server", action="store_true")
    args = parser.parse_args()
    args.out = tempfile.mkdtemp(prefix="telos-tensorboard-")
    try:
        whole, killed = (os.path.join(args.out, "box2d", name) for name in ("whole", "killed"))
        assert start(args, "whole").wait() == 0
        for i, steps in enumerate((3000, 7000)):
            kill_at(start(args, "killed"), killed, steps)
            if i == 1:
                tear(killed)
        assert start(args, "killed").wait() == 0
        a, b = load(whole), load(killed)
        assert sorted(a.Tags()["scalars"]) == sorted(b.Tags()["scalars"])
        expected = {}
        for tag in a.Tags()["scalars"]:
            if not tag.startswith("time/") or tag == "time/episodes":
                expected[tag] = points(a, tag)
                assert points(b, tag) == expected[tag], f"{tag}: {points(b, tag)}"
        check_rows(whole, a)
        check_rows(killed, b)
        check_settings(a)
        check_settings(b)
        print(f"{len(expected)} tags agree, over 3 lives")
        if args.server:
            check_server(args, expected)
    finally:
        shutil.rmtree(args.out, ignore_errors=True)


main()
