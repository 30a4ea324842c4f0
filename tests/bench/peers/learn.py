"""Trains SAC + HER of a library on a task, and prints a line for each evaluation: steps and score.

    python learn.py sb3|sbx TASK.xml REWARD SEED STEPS EVERY HIDDEN THREADS

REWARD: sparse      -1 a step until the outcome is within the task's success radius (0.05 without one)
        sparse:X    the same within X
        dense       minus the distance
HIDDEN: widths, as 128,128. The settings are those of the libraries' own examples for HER (step size
1e-3, discount 0.95, four hindsight goals a step, from the future), with one update a step and a
minibatch of 256 as Telos has them. An evaluation is one episode of the deterministic policy: start
and goal are fixed, and so a second one would be the same. Score: 100 x final / initial distance.
"""
import os
import sys

library, task, reward = sys.argv[1:4]
seed, steps, every = map(int, sys.argv[4:7])
hidden, threads = [int(w) for w in sys.argv[7].split(",")], int(sys.argv[8])
for blas in ("OMP", "MKL", "OPENBLAS"):
    os.environ[blas + "_NUM_THREADS"] = str(threads)
os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np
import torch
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback

from goal_env import GoalEnv

torch.set_num_threads(threads)


def environment():
    if reward == "dense":
        return GoalEnv(task, None)
    if ":" in reward:
        return GoalEnv(task, float(reward.split(":")[1]))
    env = GoalEnv(task, None)
    env.radius = env.rows.info.success_radius or 0.05
    return env


def score(model, env):
    obs, _ = env.reset()
    distance = [float(np.linalg.norm(obs["achieved_goal"] - obs["desired_goal"]))]
    over = False
    while not over:
        action, _ = model.predict(obs, deterministic=True)
        obs, _, _, over, _ = env.step(action)
    distance.append(float(np.linalg.norm(obs["achieved_goal"] - obs["desired_goal"])))
    return 100 * distance[1] / distance[0]


class Evaluate(BaseCallback):
    def __init__(self):
        super().__init__()
        self.env = environment()

    def _on_step(self):
        if self.num_timesteps % every == 0:
            print(f"{self.num_timesteps} {score(self.model, self.env):.3f}", flush=True)
        return True


def main():
    if library == "sbx":
        from sbx import SAC
    else:
        from stable_baselines3 import SAC
    model = SAC("MultiInputPolicy", environment(), replay_buffer_class=HerReplayBuffer,
                replay_buffer_kwargs={"n_sampled_goal": 4, "goal_selection_strategy": "future"},
                learning_rate=1e-3, gamma=0.95, batch_size=256, buffer_size=steps,
                learning_starts=1000, train_freq=1, gradient_steps=1,
                policy_kwargs={"net_arch": hidden}, device="cpu", seed=seed)
    model.learn(steps, callback=Evaluate())


main()
