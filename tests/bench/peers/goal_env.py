"""A bundled task as learn.py rewards it: what the score is about, all numbers of the goal."""
import telos


class GoalEnv(telos.TelosEnv):
    """radius: the reward is -1 a step until the goal is within it; None: minus the distance."""

    def __init__(self, path, radius):
        super().__init__(path, reward="dense")
        self.radius = radius

    def step(self, action):
        observation, _, terminated, truncated, info = super().step(action)
        goals = observation["achieved_goal"], observation["desired_goal"]
        return observation, float(self.compute_reward(*goals, info)), terminated, truncated, info

    def compute_reward(self, achieved_goal, desired_goal, info):
        dense = super().compute_reward(achieved_goal, desired_goal, info)
        return dense if self.radius is None else (dense > -self.radius) - 1.0
