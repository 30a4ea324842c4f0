"""Holds telos_env.py to the product: the same actions have to give the same observations.

    python check_task.py WALK TASK.xml SCRIPT

WALK is build/release/bench/walk. Two episodes, one of SCRIPT and one of random actions. MuJoCo 2.2.2
and 2.3.1 agree to the last digit printed; where versions part ways, it tells at which state.
"""
import csv
import io
import subprocess
import sys

import mujoco
import numpy as np

from telos_env import TelosEnv

LIMIT = 1e-4


def walk(program, path, script):
    text = subprocess.run([program, path] + script, check=True, capture_output=True, text=True).stdout
    header, *rows = list(csv.reader(io.StringIO(text)))
    rows = np.array(rows, dtype=np.float64)
    part = [name.split(".")[0] for name in header]
    return {p: rows[:, [i for i, q in enumerate(part) if q == p]] for p in dict.fromkeys(part)}


def differences(env, episode):
    """Of each state, the largest difference in any number, and which number that is."""
    obs, _ = env.reset()
    result = []
    for t in range(len(episode["act"])):
        if t > 0:
            obs, *_ = env.step(episode["act"][t])
        ours = np.concatenate([obs["observation"], obs["achieved_goal"], obs["desired_goal"]])
        theirs = np.concatenate([episode["obs"][t], episode["achieved"][t], episode["desired"][t]])
        result.append((np.max(np.abs(ours - theirs)), int(np.argmax(np.abs(ours - theirs)))))
    return result


def main():
    program, path, script = sys.argv[1:4]
    env = TelosEnv(path)
    good = True
    for label, arguments in (("script", [script]), ("random", [])):
        result = differences(env, walk(program, path, arguments))
        size = [d for d, _ in result]
        parted = next((t for t, d in enumerate(size) if d > LIMIT), None)
        print(f"{path.split('/')[-1]}, MuJoCo {mujoco.__version__}, {label}: first state {size[0]:.1e}; "
              + (f"within {LIMIT:g} in all {len(size)} states, at most {max(size):.1e}" if parted is None
                 else f"within {LIMIT:g} up to state {parted - 1} of {len(size) - 1}, then number "
                      f"{result[parted][1]} differs by {size[parted]:.1e}, later by {max(size):.1e}"))
        good = good and parted is None
    sys.exit(0 if good else 1)


main()
