"""A bundled task as a goal environment of Gymnasium: the convention of actor/tasks/README.md again.

It knows what fetch-push and the Sawyer tasks with one outcome use: sensors obs.*, goal.* and
origin.* with their scales, the hooks qpos and euler, set-points of both modes that the hand is held
at without an offset, telos.goal and the first key. Anything else in a file is refused by name, not
left out. check_task.py holds it to the product.
"""
import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces

KNOWN = {
    "telos.horizon", "telos.frame_skip", "telos.action_mode", "telos.mocap_body", "telos.hand",
    "telos.action_scale", "telos.mocap_axes", "telos.mocap_low", "telos.mocap_high",
    "telos.mocap_lead", "telos.goal", "telos.success_radius", "telos.success_on",
}


def name_of(m, kind, i):
    return mujoco.mj_id2name(m, getattr(mujoco.mjtObj, "mjOBJ_" + kind), i)


class Convention:
    """The numbers and texts of <custom>."""

    def __init__(self, m):
        self.numeric, self.text = {}, {}
        for i in range(m.nnumeric):
            adr, size = m.numeric_adr[i], m.numeric_size[i]
            self.numeric[name_of(m, "NUMERIC", i)] = np.array(m.numeric_data[adr:adr + size])
        for i in range(m.ntext):
            adr, size = m.text_adr[i], m.text_size[i]
            self.text[name_of(m, "TEXT", i)] = bytes(m.text_data[adr:adr + size]).split(b"\0")[0].decode()
        for name in list(self.numeric) + list(self.text):
            if name not in KNOWN and not name.startswith(("telos.hook.", "telos.scale.")):
                raise ValueError(f"{name} is not known here")


def euler(r):
    """Three angles of the rotation r (9 numbers), as common/task/hook.c."""
    cy = np.hypot(r[8], r[5])
    if cy > 4 * 2.220446049250313e-16:
        return -np.arctan2(r[5], r[8]), -np.arctan2(-r[2], cy), -np.arctan2(r[1], r[0])
    return 0.0, -np.arctan2(-r[2], cy), -np.arctan2(-r[3], r[4])


class TelosEnv(gymnasium.Env):
    """dense: the reward is minus the distance, else -1 until the distance is below the radius."""

    metadata = {"render_modes": []}

    def __init__(self, path, dense=False):
        self.m = m = mujoco.MjModel.from_xml_path(path)
        self.d = mujoco.MjData(m)
        c = Convention(m)
        self.horizon = int(c.numeric["telos.horizon"][0])
        self.frame_skip = int(c.numeric["telos.frame_skip"][0])
        self.radius = float(c.numeric.get("telos.success_radius", [0.05])[0])
        self.dense = dense
        self._read_sensors(c)
        self._read_action(c)
        self.goal = c.numeric["telos.goal"]
        self.success_at = self._success(c)
        if m.nkey < 1:
            raise ValueError("no key: the reset state is not known here")
        self.reset()
        obs = self._observe()
        low_high = {"low": -np.inf, "high": np.inf, "dtype": np.float32}
        self.observation_space = spaces.Dict(
            {k: spaces.Box(shape=v.shape, **low_high) for k, v in obs.items()})
        self.action_space = spaces.Box(-1, 1, (len(self.axes) + m.nu,), np.float32)

    def _read_sensors(self, c):
        m = self.m
        self.sensors = {"obs": [], "goal": [], "origin": []}
        self.hooks = []
        for i in range(m.nsensor):
            name = name_of(m, "SENSOR", i)
            role = name.split(".")[0]
            if role not in self.sensors:
                raise ValueError(f"sensor {name} is not known here")
            adr, dim = int(m.sensor_adr[i]), int(m.sensor_dim[i])
            scale = c.numeric.get("telos.scale." + name, np.ones(1))
            self.sensors[role].append((name, adr, dim, np.resize(scale, dim)))
            if m.sensor_type[i] == mujoco.mjtSensor.mjSENS_USER:
                start = int(m.sensor_user[i][0]) if m.nuser_sensor else 0
                hook = c.text["telos.hook." + name]
                if hook not in ("qpos", "euler"):
                    raise ValueError(f"hook {hook} is not known here")
                self.hooks.append((hook, adr, dim, start, int(m.sensor_objid[i])))

    def _read_action(self, c):
        m = self.m
        self.relative = {"mocap": False, "mocap_relative": True}[c.text["telos.action_mode"]]
        self.axes = ["xyz".index(a) for a in c.text.get("telos.mocap_axes", "xyz")]
        body = mujoco.mj_name2id(m, mujoco.mjtObj.mjOBJ_BODY, c.text["telos.mocap_body"])
        self.hand = mujoco.mj_name2id(m, mujoco.mjtObj.mjOBJ_BODY, c.text["telos.hand"])
        self.mocap = int(m.body_mocapid[body])
        if m.neq != 1 or m.eq_type[0] != mujoco.mjtEq.mjEQ_CONNECT or np.any(
                np.abs(m.eq_data[0][:6]) > 1e-6):
            raise ValueError("a hand that is held by anything but one plain connect is not known here")
        self.low = c.numeric.get("telos.mocap_low", np.full(3, -np.inf))
        self.high = c.numeric.get("telos.mocap_high", np.full(3, np.inf))
        self.lead = float(c.numeric.get("telos.mocap_lead", [np.inf])[0])
        n = len(self.axes)
        scale = c.numeric["telos.action_scale"]
        self.scale, self.offset = np.resize(scale, n + m.nu), np.zeros(n + m.nu)
        if len(scale) in (1, n) and m.nu:  # metres say nothing of actuators: these cover their range
            low, high = m.actuator_ctrlrange.T
            self.scale[n:], self.offset[n:] = (high - low) / 2, (high + low) / 2

    def _success(self, c):
        """Which numbers of the goal success counts."""
        wanted = c.text.get("telos.success_on", "").split()
        at = []
        for name, _, dim, _ in self.sensors["goal"]:
            at += [not wanted or name in wanted] * dim
        return np.array(at)

    # ---- simulation ----

    def _sense(self):
        """The sensors of the present state: mj_step leaves those of the state before it."""
        m, d = self.m, self.d
        mujoco.mj_kinematics(m, d)
        mujoco.mj_comPos(m, d)
        mujoco.mj_tendon(m, d)
        mujoco.mj_transmission(m, d)
        mujoco.mj_sensorPos(m, d)
        mujoco.mj_fwdVelocity(m, d)
        mujoco.mj_sensorVel(m, d)
        for hook, adr, dim, start, body in self.hooks:
            d.sensordata[adr:adr + dim] = (
                d.qpos[start:start + dim] if hook == "qpos" else euler(d.xmat[body]))

    def _numbers(self, role):
        data = self.d.sensordata
        return np.concatenate([data[a:a + n] * k for _, a, n, k in self.sensors[role]])

    def _observe(self):
        return {"observation": self._numbers("obs").astype(np.float32),
                "achieved_goal": self._numbers("goal").astype(np.float32),
                "desired_goal": self.desired}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        mujoco.mj_resetDataKeyframe(self.m, self.d, 0)
        self._sense()
        origin = self._numbers("origin") if self.sensors["origin"] else 0
        self.desired = (origin + self.goal).astype(np.float32)
        self.t = 0
        return self._observe(), {}

    def _move_set_point(self, action):
        point, hand = self.d.mocap_pos[self.mocap].copy(), self.d.xpos[self.hand].copy()
        if self.relative:
            point = hand.copy()
        for i, axis in enumerate(self.axes):
            point[axis] += self.scale[i] * action[i] + self.offset[i]
        point = np.clip(point, self.low, self.high)
        ahead = point - hand
        length = np.linalg.norm(ahead)
        if length > self.lead:
            point = hand + ahead * (self.lead / length)
        self.d.mocap_pos[self.mocap] = point

    def step(self, action):
        action = np.clip(np.asarray(action, np.float32).astype(np.float64), -1, 1)
        n = len(self.axes)
        self.d.ctrl[:] = self.offset[n:] + self.scale[n:] * action[n:]
        self._move_set_point(action)
        mujoco.mj_step(self.m, self.d, nstep=self.frame_skip)
        self._sense()
        self.t += 1
        obs = self._observe()
        reward = float(self.compute_reward(obs["achieved_goal"], obs["desired_goal"], {}))
        success = bool(self._success_distance(obs["achieved_goal"], obs["desired_goal"]) < self.radius)
        return obs, reward, False, self.t >= self.horizon, {"is_success": success}

    # ---- rewards ----

    def _success_distance(self, achieved, desired):
        return np.linalg.norm((achieved - desired)[..., self.success_at], axis=-1)

    def compute_reward(self, achieved_goal, desired_goal, info):
        """Of one state, or of many rows. What the score is about: all numbers of the goal."""
        distance = np.linalg.norm(achieved_goal - desired_goal, axis=-1)
        return -distance if self.dense else -(distance >= self.radius).astype(np.float32)
