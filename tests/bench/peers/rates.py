"""Updates a second of Telos and its peers, in turns: a Markdown table, and a CSV of every round.

    python rates.py --task TASK.xml --telos NAME:BENCH_RATE[:SETTING;..] [--telos ..]
                    [--peers sb3,torch,torch-bf16,sbx-100,sbx-1] [--widths 256,128] [--batch 256]
                    [--threads 1,2] [--rounds 9] [--cores 0,1] --out rates.csv

BENCH_RATE is build/release/bench/bench_rate of a build. In a SETTING, {threads} stands for the
number of threads, as in learner.threads={threads}; a build without such a setting has one thread
always. Ratios are to the first --telos: the median of the ratios of a round, so that what else the
machine does meets both sides.
"""
import argparse
import csv
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LABEL = {"sb3": "Stable-Baselines3 SAC + HER, train()", "torch": "PyTorch by hand, eager, fused Adam",
         "torch-bf16": "PyTorch by hand, bf16 autocast", "sbx-100": "SBX (JAX), 100 updates a call",
         "sbx-1": "SBX (JAX), 1 update a call"}


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--task", required=True)
    p.add_argument("--telos", action="append", required=True)
    p.add_argument("--peers", default="sb3,torch,torch-bf16,sbx-100,sbx-1")
    p.add_argument("--widths", default="256,128")
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--cores", default=",".join(map(str, sorted(os.sched_getaffinity(0)))))
    p.add_argument("--out", required=True)
    return p.parse_args()


def commands(a, width, threads):
    """{name: command} of everything that is measured."""
    result = {}
    for spec in a.telos:
        name, program, *settings = spec.split(":", 2)
        own = settings[0].replace("{threads}", str(threads)).split(";") if settings else []
        result[name] = [program, "--turns", f"net.hidden=[{width},{width}]", f"train.batch={a.batch}", *own]
    for peer in filter(None, a.peers.split(",")):
        result[LABEL.get(peer, peer)] = [sys.executable, os.path.join(HERE, "rate.py"), peer, a.task,
                                         str(width), str(a.batch), str(threads)]
    return result


def start(name, command, cores):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               preexec_fn=lambda: os.sched_setaffinity(0, cores))
    line = process.stdout.readline().strip()
    if line != "ready":
        process.kill()
        print(f"rates: {name} did not start", file=sys.stderr)
        return None
    return process


def measure(a, width, threads):
    """{name: updates/s of each round}; what did not start is left out."""
    cores = [int(c) for c in a.cores.split(",")][:threads]
    if len(cores) < threads:
        print(f"rates: {threads} threads need {threads} cores, and {len(cores)} may be used: skipped")
        return {}
    running, rates = {}, {}
    try:
        for name, command in commands(a, width, threads).items():
            process = start(name, command, cores)
            if process:
                running[name], rates[name] = process, []
        for _ in range(a.rounds):
            for name, process in running.items():
                process.stdin.write("\n")
                process.stdin.flush()
                rates[name].append(float(process.stdout.readline()))
                time.sleep(0.25)  # until its idle threads have stopped spinning
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    return rates


def main():
    a = arguments()
    widths, threads = ([int(x) for x in s.split(",")] for s in (a.widths, a.threads))
    columns = [(w, t) for w in widths for t in threads]
    table = {}
    with open(a.out, "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["program", "width", "batch", "threads", "round", "updates_per_s"])
        for column in columns:
            print(f"rates: 2 x {column[0]}, {column[1]} thread(s)", file=sys.stderr)
            table[column] = measure(a, *column)
            for name, rates in table[column].items():
                out.writerows([name, column[0], a.batch, column[1], i, r] for i, r in enumerate(rates))
            f.flush()
    first = a.telos[0].split(":")[0]
    print(f"\nUpdates a second, batch {a.batch}, medians of {a.rounds}; in brackets the ratio to"
          f" {first}\n")
    print("| | " + " | ".join(f"2 x {w}, {t} core{'s' * (t > 1)}" for w, t in columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for name in dict.fromkeys(n for c in columns for n in table[c]):
        cells = []
        for c in columns:
            mine, base = table[c].get(name), table[c].get(first)
            ratio = f" ({statistics.median(m / b for m, b in zip(mine, base)):.2f})" if mine and base else ""
            cells.append(f"{statistics.median(mine):.0f}{ratio}" if mine else "")
        print(f"| {name} | " + " | ".join(cells) + " |")


main()
