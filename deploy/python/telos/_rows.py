"""Simulations of one task, stepped together: what both forms of environment are made of."""
import numpy as np
from gymnasium import spaces

from telos._library import Error, address, fail, lib, name_bytes, warn

REWARDS = ("sparse", "dense", "task")


class Rows:
    def __init__(self, task, n, threads, reward, member):
        self.handle = lib.telos_env_load(name_bytes(task), n, threads)
        if not self.handle:
            fail()
        warn()
        self.info = info = lib.telos_env_info(self.handle)
        self.name = info.name.decode()
        self.reward = self._choose_reward(reward)
        state = lib.telos_env_state(self.handle)
        width = {"obs": (info.obs,), "achieved": (info.goal,), "desired": (info.goal,)}
        self.view = {field: self._view(getattr(state, field), (n, *width.get(field, ())))
                     for field, _ in state._fields_}
        if member is not None:
            lib.telos_env_set_member(self.handle, int(member))

    @staticmethod
    def _view(pointer, shape):
        # the library may not give an address for no numbers
        if 0 in shape:
            return np.zeros(shape, np.float32)
        return np.ctypeslib.as_array(pointer, shape)

    def _choose_reward(self, reward):
        info = self.info
        if reward is None:
            return "task" if not info.goal else "sparse" if info.success_radius > 0 else "dense"
        if reward not in REWARDS:
            raise ValueError(f"reward={reward!r}: expected one of {', '.join(REWARDS)}, or None")
        if reward == "task" and not info.has_reward:
            raise ValueError(f"reward='task': task {self.name} has no rewards of its own; "
                             "give 'sparse' or 'dense'")
        if reward != "task" and not info.goal:
            raise ValueError(f"reward={reward!r}: task {self.name} has no goal; give 'task'")
        if reward == "sparse" and not info.success_radius > 0:
            raise ValueError(f"reward='sparse': task {self.name} has no telos.success_radius; "
                             "give 'dense', or set it in the task's file")
        return reward

    def close(self):
        if self.handle:
            lib.telos_env_free(self.handle)
            self.handle = None
            self.view = None

    def open(self):
        if not self.handle:
            raise Error(f"the environment of task {self.name} is closed; make another one")
        return self.handle

    # ---- spaces ----

    def action_space(self):
        return spaces.Box(-1, 1, (self.info.act,), np.float32)

    def observation_space(self):
        def box(n):
            return spaces.Box(-np.inf, np.inf, (n,), np.float32)

        if not self.info.goal:
            return box(self.info.obs)
        return spaces.Dict({"observation": box(self.info.obs), "achieved_goal": box(self.info.goal),
                            "desired_goal": box(self.info.goal)})

    # ---- simulation ----

    def goals(self, options):
        """options["goal"], a row each; None: they are drawn."""
        goal = options.get("goal")
        if goal is None:
            return None
        if not self.info.goal:
            raise ValueError(f"options['goal']: task {self.name} has no goal")
        shape = (self.info.n, self.info.goal)
        try:
            goals = np.ascontiguousarray(np.broadcast_to(np.asarray(goal, np.float32), shape))
        except ValueError:
            raise ValueError(f"options['goal'] has shape {np.shape(goal)}; task {self.name} has "
                             f"{self.info.goal} numbers") from None
        if not np.isfinite(goals).all():
            raise ValueError("options['goal'] has a number that is not finite")
        return goals

    def reset(self, seeds, goals, which=None):
        """seeds: numbers, a row each, or None; which: True for the rows that are reset."""
        if seeds is not None:
            seeds = np.array([int(s) % 2**64 for s in seeds], np.uint64)
        if which is not None:
            which = np.ascontiguousarray(which, np.uint8)
        if lib.telos_env_reset(self.open(), address(which), address(seeds), address(goals)) != 0:
            fail()

    def step(self, actions):
        actions = np.ascontiguousarray(actions, np.float32)
        shape = (self.info.n, self.info.act)
        if actions.shape != shape:
            raise ValueError(f"actions of shape {actions.shape}; task {self.name} takes {shape}")
        if lib.telos_env_step(self.open(), address(actions)) != 0:
            fail()

    # ---- rewards ----

    def distance(self, achieved, desired, counted):
        """Over the last axis; over what success counts, or over all numbers of the goal."""
        achieved, desired = (np.ascontiguousarray(g, np.float32) for g in
                             np.broadcast_arrays(np.asarray(achieved, np.float32),
                                                 np.asarray(desired, np.float32)))
        if not self.info.goal or achieved.shape[-1:] != (self.info.goal,):
            raise ValueError(f"goals of shape {achieved.shape}; those of task {self.name} have "
                             f"{self.info.goal} numbers")
        result = np.empty(achieved.shape[:-1])
        lib.telos_env_distance(self.open(), address(result), address(achieved), address(desired),
                               result.size, counted)
        return result

    def success(self, achieved, desired):
        return self.distance(achieved, desired, True) < self.info.success_radius

    def goal_reward(self, achieved, desired):
        if self.reward == "task":
            raise ValueError(f"task {self.name} gives its own rewards here, which are no function "
                             "of goals; make it with reward='sparse' or 'dense'")
        if self.reward == "dense":
            return -self.distance(achieved, desired, False)
        return self.success(achieved, desired) - 1.0

    # ---- what the last call gave, each a copy with a row first ----

    def observations(self):
        view = self.view
        if not self.info.goal:
            return view["obs"].copy()
        return {"observation": view["obs"].copy(), "achieved_goal": view["achieved"].copy(),
                "desired_goal": view["desired"].copy()}

    def rewards(self):
        if self.reward == "task":
            return self.view["reward"].astype(np.float64)
        reward = self.goal_reward(self.view["achieved"], self.view["desired"])
        return np.where(self.view["was_reset"], 0.0, reward)

    def flags(self, name):
        return self.view[name].astype(bool)

    def infos(self):
        result = {"unstable": self.flags("unstable")}
        if self.info.goal:
            achieved, desired = self.view["achieved"], self.view["desired"]
            result["distance"] = self.distance(achieved, desired, False)
            if self.info.success_radius > 0:
                result["is_success"] = self.success(achieved, desired)
        return result
