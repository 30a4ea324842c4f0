"""A trained policy as a function."""
import numpy as np

from telos._library import address, fail, lib, name_bytes


class Policy:
    """policy(observation) is the action of an actor that does not explore, bit for bit. observation:
    a dictionary with observation and desired_goal, or an array with both numbers in this order, and
    with any number of axes before the last.
    """

    def __init__(self, what, checkpoint=None):
        chosen = None if checkpoint is None else str(checkpoint).encode()
        self.handle = lib.telos_policy_load(name_bytes(what), chosen)
        if not self.handle:
            fail()
        info = lib.telos_policy_info(self.handle)
        self.task = info.task.decode() if info.task else None
        self.obs, self.goal, self.act, self.members = info.obs, info.goal, info.act, info.members

    def meta(self, key):
        """What the file says of itself, such as "seed"; None: nothing."""
        text = lib.telos_policy_meta(self.handle, key.encode())
        return text.decode() if text is not None else None

    def _parts(self, observation):
        """Observations and goals, as arrays of the same leading axes."""
        if isinstance(observation, dict):
            parts = [observation["observation"]]
            parts += [observation["desired_goal"]] if self.goal else []
        else:
            x = np.asarray(observation, np.float32)
            if x.shape[-1:] != (self.obs + self.goal,):
                raise ValueError(f"an observation of shape {x.shape}; this policy takes {self.obs} "
                                 f"numbers and a goal of {self.goal}")
            parts = [x[..., :self.obs]] + ([x[..., self.obs:]] if self.goal else [])
        parts = [np.ascontiguousarray(part, np.float32) for part in parts]
        for part, width in zip(parts, (self.obs, self.goal)):
            if part.shape != (*parts[0].shape[:-1], width):
                raise ValueError(f"numbers of shape {part.shape}; this policy takes observations of "
                                 f"{self.obs} and goals of {self.goal}")
        return parts

    def __call__(self, observation, member=None):
        """member: which task of its family, for a policy that has one."""
        obs, *desired = self._parts(observation)
        action = np.empty((*obs.shape[:-1], self.act), np.float32)
        rows = int(np.prod(obs.shape[:-1]))
        if lib.telos_policy_act(self.handle, address(action), address(obs),
                                address(desired[0]) if desired else None, rows,
                                -1 if member is None else int(member)) != 0:
            fail()
        return action

    def __del__(self):
        if getattr(self, "handle", None):
            lib.telos_policy_free(self.handle)
            self.handle = None
