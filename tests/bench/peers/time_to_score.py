"""Wall clock to a score, Telos and SAC + HER of a library on the same MJCF, one after the other on
the same cores: a Markdown table, and a CSV of every evaluation.

    python time_to_score.py --tasks FOLDER --telos NAME:BIN[:SETTING;..] [--telos ..]
                            [--score fetch-push:20 --score sawyer-window:5] [--seeds 4]
                            [--peers sb3:dense,sb3:sparse] [--steps 200000] [--every 2000]
                            [--limit SECONDS] [--hidden 128,128] [--cores 0,1] --out FOLDER

BIN is build/release/bin of a build; in a SETTING {threads} stands for the number of cores. A peer is
LIBRARY:REWARD as learn.py has them. A run ends with its first evaluation at or below the score,
after --steps, or after --limit seconds. The clock runs from the start of the program, imports and
start-up included. Start and goal are fixed, so that an evaluation needs no more episodes than the
fewest there may be. Seeds are the outermost turn, so that what else the machine does meets all.
What did not get there counts as its time so far, and its ratio, printed with >, as a lower bound.
"""
import argparse
import csv
import os
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE_S = 60  # for a program that was asked to stop


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--tasks", required=True)
    p.add_argument("--telos", action="append", required=True)
    p.add_argument("--score", action="append")
    p.add_argument("--seeds", type=int, default=4)
    p.add_argument("--peers", default="sb3:dense,sb3:sparse")
    p.add_argument("--steps", type=int, default=200_000)
    p.add_argument("--every", type=int, default=2_000)
    p.add_argument("--limit", type=float, default=3600)
    p.add_argument("--hidden", default="128,128")
    p.add_argument("--cores", default=",".join(map(str, sorted(os.sched_getaffinity(0))[:2])))
    p.add_argument("--out", required=True)
    a = p.parse_args()
    a.core_set = {int(c) for c in a.cores.split(",")}
    return a


def run(command, cores, **more):
    return subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, cores), text=True, **more)


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def check_end(process, spec, log):
    """A run that broke off has no time to be compared."""
    if process.returncode != 0:
        sys.exit(f"time_to_score: {spec} ended with code {process.returncode}; see {log.name}")


def telos_evaluations(a, spec, task, seed, log):
    """(steps, score) of each evaluation, from the run's eval.csv; None: nothing new."""
    name, folder, *settings = spec.split(":", 2)
    settings = settings[0].replace("{threads}", str(len(a.core_set))).split(";") if settings else []
    runs, label = os.path.join(a.out, "runs"), f"{name}-s{seed}-{int(time.time())}"
    process = run([os.path.join(folder, "telos"), "train", os.path.join(a.tasks, task + ".xml"),
                   "--runs", runs, "--name", label, "--actors", "1", "--threads", "1",
                   f"run.seed={seed}", f"run.steps={a.steps}", f"eval.every={a.every}",
                   f"net.hidden=[{a.hidden}]", "eval.episodes=2", *settings],
                  a.core_set, stdout=log, stderr=log)
    path = os.path.join(runs, task, label, "eval.csv")
    seen = 0  # steps
    try:
        ended = False
        while not ended:
            ended = process.poll() is not None  # looked at first: what it wrote last is read, too
            rows = []
            if os.path.exists(path):
                with open(path) as f:
                    rows = [r for r in csv.DictReader(f) if r.get("score")]
            for row in rows:
                if int(row["steps"]) > seen:
                    seen = int(row["steps"])
                    yield seen, float(row["score"])
            yield None
            time.sleep(0.1)
        check_end(process, spec, log)
    finally:
        stop(process)


def peer_evaluations(a, spec, task, seed, log):
    library, reward = spec.split(":", 1)
    process = run([sys.executable, os.path.join(HERE, "learn.py"), library,
                   os.path.join(a.tasks, task + ".xml"), reward, str(seed), str(a.steps), str(a.every),
                   a.hidden, str(len(a.core_set))], a.core_set, stdout=subprocess.PIPE, stderr=log)
    lines = queue.Queue()

    def read():
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    try:
        while True:
            try:
                line = lines.get(timeout=0.1)
            except queue.Empty:
                yield None
                continue
            if not line:
                process.wait()
                check_end(process, spec, log)
                return
            steps, score = line.split()
            yield int(steps), float(score)
    finally:
        stop(process)


def race(a, out, evaluations, name, task, target, seed):
    """Seconds to the score or until it gave up, whether it got there, and after how many steps."""
    begin = time.perf_counter()
    steps, best = 0, float("inf")
    seconds = 0.0
    for found in evaluations:
        seconds = time.perf_counter() - begin
        if found:
            steps, score = found
            best = min(best, score)
            out.writerow([task, name, seed, steps, f"{seconds:.1f}", score])
        if best <= target or seconds > a.limit:
            break
    evaluations.close()
    reached = best <= target
    print(f"time_to_score: {task} {name} seed {seed}: best score {best:.1f} after {steps} steps, "
          f"{seconds:.0f} s{'' if reached else ', not reached'}", file=sys.stderr)
    return seconds, reached, steps


def cell(results):
    """Median of the seconds; > when the median one did not get there."""
    times = sorted((s, not ok) for s, ok, _ in results)
    middle = times[len(times) // 2]
    return ("> " if middle[1] else "") + f"{statistics.median(s for s, _ in times):.0f}"


def main():
    a = arguments()
    goals = [(s.split(":")[0], float(s.split(":")[1]))
             for s in a.score or ["fetch-push:20", "sawyer-window:5"]]
    os.makedirs(a.out, exist_ok=True)
    first = a.telos[0].split(":")[0]
    programs = [(s.split(":")[0], telos_evaluations, s) for s in a.telos]
    programs += [(s, peer_evaluations, s) for s in filter(None, a.peers.split(","))]
    results = {}
    with open(os.path.join(a.out, "time_to_score.csv"), "w", newline="") as f, \
            open(os.path.join(a.out, "log.txt"), "w") as log:
        out = csv.writer(f)
        out.writerow(["task", "program", "seed", "steps", "seconds", "score"])
        for seed in range(a.seeds):
            for task, target in goals:
                for name, evaluations, spec in programs:
                    result = race(a, out, evaluations(a, spec, task, seed, log), name, task, target, seed)
                    results.setdefault((task, target, name), []).append(result)
                    f.flush()
    print(f"\nSeconds to a score on {len(a.core_set)} cores, medians of {a.seeds} seed(s); networks of"
          f" {a.hidden}\n")
    print("| task, score | program | seconds | got there | steps, median | times " + first + " |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (task, target, name), mine in results.items():
        base = results[task, target, first]
        ratio = statistics.median(m[0] / b[0] for m, b in zip(mine, base))
        bound = "> " if sum(m[1] for m in mine) * 2 <= len(mine) else ""
        print(f"| `{task}`, {target:g} | {name} | {cell(mine)} | {sum(m[1] for m in mine)} of {len(mine)} |"
              f" {statistics.median(m[2] for m in mine):.0f} | {bound}{ratio:.1f} |")


main()
