"""One peer's updates a second, in turns with others: prints "ready", then for each line of standard
input works for about half a second and answers with one number. rates.py starts it.

    python rate.py PEER TASK.xml WIDTH BATCH THREADS

PEER: sb3        SAC + HER of Stable-Baselines3, its train(), 20 updates a call
      sbx-100    SAC + HER of SBX (JAX), its train(), 100 updates a call; sbx-1: one a call
      torch      soft actor-critic by hand, eager, fused Adam; torch-bf16: products in bfloat16

All have two critics, two target critics, a policy and a learned temperature on the sizes of TASK,
as Telos has (which learns an outcome model besides), and draw from 100,000 stored transitions.
"""
import os
import sys
import time

ROUND_S = 0.5
TRANSITIONS = 100_000

peer, task, width, batch, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
for library in ("OMP", "MKL", "OPENBLAS"):  # before they are loaded
    os.environ[library + "_NUM_THREADS"] = str(threads)
os.environ["JAX_PLATFORMS"] = "cpu"
if threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import numpy as np
import torch
from torch import nn

import telos

torch.set_num_threads(threads)


def fill(buffer, horizon):
    """Whole episodes of random numbers, by the arrays themselves: add() takes minutes."""
    rng = np.random.default_rng(1)
    for store in (buffer.observations, buffer.next_observations):
        for key in store:
            store[key][:] = rng.standard_normal(store[key].shape)
    buffer.actions[:] = rng.uniform(-1, 1, buffer.actions.shape)
    buffer.rewards[:] = -1
    start = np.arange(buffer.buffer_size) // horizon * horizon
    buffer.ep_start[:, 0] = start
    buffer.ep_length[:, 0] = np.minimum(horizon, buffer.buffer_size - start)
    buffer.pos, buffer.full = 0, True


def library_peer(algorithm, updates_per_call):
    from stable_baselines3 import HerReplayBuffer
    from stable_baselines3.common.logger import Logger

    env = telos.make(task)
    model = algorithm("MultiInputPolicy", env, replay_buffer_class=HerReplayBuffer,
                      buffer_size=TRANSITIONS, batch_size=batch,
                      policy_kwargs={"net_arch": [width, width]}, device="cpu", seed=1)
    model.set_logger(Logger(None, []))
    fill(model.replay_buffer, env.horizon)

    def work():
        model.train(gradient_steps=updates_per_call, batch_size=batch)
        return updates_per_call

    return work


def network(sizes):
    layers = []
    for n, m in zip(sizes, sizes[1:]):
        layers += [nn.Linear(n, m), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def sample(policy, x):
    """An action in (-1, 1) and its log-likelihood."""
    mean, log_sd = policy(x).float().chunk(2, dim=-1)
    log_sd = log_sd.clamp(-20, 2)
    noise = torch.randn_like(mean)
    u = mean + noise * log_sd.exp()
    squash = 2 * (np.log(2.0) - u - nn.functional.softplus(-2 * u))
    return u.tanh(), (-0.5 * noise ** 2 - log_sd - 0.5 * np.log(2 * np.pi) - squash).sum(-1, keepdim=True)


class ByHand:
    def __init__(self, bf16):
        env = telos.make(task)
        obs, goal = (env.observation_space[k].shape[0] for k in ("observation", "desired_goal"))
        act = env.action_space.shape[0]
        self.x, self.next_x = (torch.randn(TRANSITIONS, obs + goal) for _ in range(2))
        self.a = torch.rand(TRANSITIONS, act) * 2 - 1
        self.r = -torch.ones(TRANSITIONS, 1)
        self.policy = network([obs + goal, width, width, 2 * act])
        self.critic, self.target = ([network([obs + goal + act, width, width, 1]) for _ in range(2)]
                                    for _ in range(2))
        self.log_alpha = torch.zeros(1, requires_grad=True)
        self.parameters = [p for q in self.critic for p in q.parameters()]
        self.target_parameters = [p for q in self.target for p in q.parameters()]
        self.optimizer, self.critic_optimizer = (
            torch.optim.Adam(p, lr=1e-3, fused=True)
            for p in ([*self.policy.parameters(), self.log_alpha], self.parameters))
        self.entropy = -float(act)
        self.cast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16)

    def least(self, critics, x, a):
        xa = torch.cat([x, a], -1)
        return torch.minimum(critics[0](xa).float(), critics[1](xa).float())

    def update(self):
        i = torch.randint(TRANSITIONS, (batch,))
        x, next_x, a, r = self.x[i], self.next_x[i], self.a[i], self.r[i]
        alpha = self.log_alpha.detach().exp()
        with self.cast:
            with torch.no_grad():
                next_a, next_log = sample(self.policy, next_x)
                y = r + 0.98 * (self.least(self.target, next_x, next_a) - alpha * next_log)
            xa = torch.cat([x, a], -1)
            loss = sum(nn.functional.mse_loss(q(xa).float(), y) for q in self.critic)
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        for p in self.parameters:
            p.requires_grad_(False)
        with self.cast:
            new_a, log = sample(self.policy, x)
            loss = (alpha * log - self.least(self.critic, x, new_a)).mean()
        loss = loss - (self.log_alpha * (log.detach() + self.entropy)).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        for p in self.parameters:
            p.requires_grad_(True)
        with torch.no_grad():
            torch._foreach_lerp_(self.target_parameters, self.parameters, 0.005)
        return 1


def make():
    if peer == "sb3":
        from stable_baselines3 import SAC
        return library_peer(SAC, 20)
    if peer.startswith("sbx-"):
        from sbx import SAC
        return library_peer(SAC, int(peer[4:]))
    if peer in ("torch", "torch-bf16"):
        return ByHand(peer == "torch-bf16").update
    sys.exit(f"rate.py: {peer} is not one of sb3, sbx-100, sbx-1, torch, torch-bf16")


def rate(work):
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < ROUND_S:
        n += work()
    return n / (time.perf_counter() - start)


work = make()
work()
rate(work)  # what is compiled, is compiled now
print("ready", flush=True)
for _ in sys.stdin:
    print(f"{rate(work):.3f}", flush=True)
