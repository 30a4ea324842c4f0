"""One environment of a task."""
import gymnasium
import numpy as np

from telos._library import Error
from telos._rows import Rows


def refuse_pictures(render_mode):
    if render_mode is not None:
        raise TypeError(f"render_mode={render_mode!r}: nothing is drawn here; `telos play` draws")


def check_options(options, known):
    options = options or {}
    for name in options:
        if name not in known:
            raise ValueError(f"options[{name!r}] is not known; expected {' or '.join(known)}")
    return options


class TelosEnv(gymnasium.Env):
    """task: a name or a file. reward: "sparse" is 0 within the task's success radius and -1
    elsewhere, "dense" minus the distance to the goal, "task" the task's own; None: the first of
    sparse, dense that a task with a goal has, and task for one without. member: which task of a
    family telos.random.* makes it; None: each episode draws its own.
    """

    metadata = {"render_modes": []}

    def __init__(self, task, reward=None, member=None, render_mode=None):
        refuse_pictures(render_mode)
        self.rows = Rows(task, 1, 1, reward, member)
        self.observation_space = self.rows.observation_space()
        self.action_space = self.rows.action_space()
        self.horizon = self.rows.info.horizon
        self._seeded = self._running = False

    def _observation(self):
        rows = self.rows.observations()
        return {k: v[0] for k, v in rows.items()} if isinstance(rows, dict) else rows[0]

    def _info(self):
        return {k: v[0].item() for k, v in self.rows.infos().items()}

    def reset(self, *, seed=None, options=None):
        """options["goal"]: in place of the one that is drawn."""
        super().reset(seed=seed)
        goals = self.rows.goals(check_options(options, ["goal"]))
        if seed is None and not self._seeded:
            seed = self.np_random.integers(2**63)
        self._running = False
        self.rows.reset(None if seed is None else [seed], goals)
        self._seeded = self._running = True
        return self._observation(), self._info()

    def step(self, action):
        if not self._running:
            raise Error(f"task {self.rows.name}: no episode is going on; call reset()")
        self.rows.step(np.asarray(action, np.float32)[None])
        terminated, truncated = (bool(self.rows.flags(f)[0]) for f in ("terminated", "truncated"))
        self._running = not (terminated or truncated)
        return (self._observation(), float(self.rows.rewards()[0]), terminated, truncated,
                self._info())

    def compute_reward(self, achieved_goal, desired_goal, info):
        """Of one pair of goals, or of many: over the last axis."""
        reward = self.rows.goal_reward(achieved_goal, desired_goal)
        return reward if reward.ndim else float(reward)

    def close(self):
        self.rows.close()

    def __del__(self):
        if hasattr(self, "rows"):
            self.rows.close()
