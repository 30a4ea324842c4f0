"""Many environments of a task, stepped together by threads of the library."""
import os

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from telos._library import Error
from telos._rows import Rows
from telos.env import check_options, refuse_pictures


class TelosVectorEnv(VectorEnv):
    """Environment i of seed s is the single one of seed s + i. One whose episode is over is reset by
    the next step, which ignores its action and gives the reward 0 (NEXT_STEP): what that step gives
    is no transition. threads: None for one each, but no more than there are cores. reward and
    member: as of TelosEnv.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, task, num_envs=1, threads=None, reward=None, member=None, render_mode=None):
        refuse_pictures(render_mode)
        threads = min(num_envs, len(os.sched_getaffinity(0))) if threads is None else threads
        self.rows = Rows(task, num_envs, threads, reward, member)
        self.num_envs = num_envs
        self.single_observation_space = self.rows.observation_space()
        self.single_action_space = self.rows.action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.horizon = self.rows.info.horizon
        self._seeded = False

    def _infos(self):
        infos = self.rows.infos()
        there = np.ones(self.num_envs, bool)
        infos.update({"_" + name: there.copy() for name in list(infos)})
        return infos

    def _seeds(self, seed):
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**62))
        if seed is None or np.ndim(seed) == 0:
            return None if seed is None else [int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds for {self.num_envs} environments")
        return seed

    def reset(self, *, seed=None, options=None):
        """options["goal"]: one for all, or a row each; options["reset_mask"]: which are reset."""
        super().reset(seed=seed if np.ndim(seed) == 0 else None)
        options = check_options(options, ["goal", "reset_mask"])
        which = options.get("reset_mask")
        if which is not None and np.shape(which) != (self.num_envs,):
            raise ValueError(f"options['reset_mask'] has shape {np.shape(which)}; expected "
                             f"({self.num_envs},)")
        self.rows.reset(self._seeds(seed), self.rows.goals(options), which)
        self._seeded = True
        return self.rows.observations(), self._infos()

    def step(self, actions):
        if not self._seeded:
            raise Error(f"task {self.rows.name}: no episode is going on; call reset()")
        self.rows.step(actions)
        return (self.rows.observations(), self.rows.rewards(), self.rows.flags("terminated"),
                self.rows.flags("truncated"), self._infos())

    def compute_reward(self, achieved_goal, desired_goal, info):
        return self.rows.goal_reward(achieved_goal, desired_goal)

    def close_extras(self, **kwargs):
        self.rows.close()
