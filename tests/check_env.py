#!/usr/bin/env python3
"""Use tasks and policies of telos from Python, as deploy/python/README.md says.

    check_env.py FOLDER    policy.safetensors of fetch-push, and rows.txt: inputs and the actor's actions

Gymnasium's checker passes for every bundled task; batches are their rows; rewards are what is computed
of goals; bad input is an exception; the examples of the README run. $TELOS_ENV_LIBRARY names the
library. Exit 77: NumPy, Gymnasium or Stable-Baselines3 is missing; a line says what was not checked.
"""
import os
import re
import sys
import warnings

try:
    import gymnasium
    import numpy as np
    from gymnasium.utils.env_checker import check_env
    from gymnasium.vector import AutoresetMode  # noqa: F401
except ImportError as e:
    print(f"skipped: check_env.py needs NumPy and Gymnasium 1.1 (PyPI): {e}")
    sys.exit(77)

PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "deploy", "python")
sys.path.insert(0, PACKAGE)
import telos  # noqa: E402

try:
    import stable_baselines3
except ImportError:
    stable_baselines3 = None


def same(a, b):
    """Bit for bit, arrays or dictionaries of them."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return np.array_equal(a, b)


def refused(kind, part, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind as e:
        assert part in str(e), f"{part!r} is not in: {e}"
        return
    raise AssertionError(f"not refused: {part}")


def check_tasks():
    for task in telos.tasks():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # observations have no bounds
            env = gymnasium.make(telos.env_id(task))
            check_env(env.unwrapped)
        env.close()
    print(f"Gymnasium's checker: {len(telos.tasks())} tasks pass")


def check_rewards():
    for reward in ("sparse", "dense"):
        env = telos.make("box2d-random", reward=reward)
        env.reset(seed=5)
        env.action_space.seed(5)
        steps = [env.step(env.action_space.sample()) for _ in range(20)]
        achieved, desired = (np.array([s[0][k] for s in steps]) for k in ("achieved_goal", "desired_goal"))
        got = np.array([s[1] for s in steps])
        assert same(env.compute_reward(achieved, desired, [{}] * 20), got)
        assert env.compute_reward(achieved[0], desired[0], {}) == got[0]
        near = np.linalg.norm(achieved - desired, axis=1)
        expected = -near if reward == "dense" else np.where(near < env.rows.info.success_radius, 0, -1)
        assert np.allclose(got, expected, atol=1e-6) and env.compute_reward(desired, desired, {}).max() == 0
    hopper = telos.make("hopper")
    assert hopper.reset(seed=1)[0].shape == hopper.observation_space.shape
    assert hopper.step(hopper.action_space.sample())[1] != 0
    print("rewards: those of the steps are those of the goals")


def check_batch():
    """Over the end of an episode, where a row is reset."""
    batch = gymnasium.make_vec("telos/Box2dRandom-v0", num_envs=3, threads=2)
    single = [gymnasium.make("telos/Box2dRandom-v0").unwrapped for _ in range(3)]
    got, _ = batch.reset(seed=11)
    over = [False] * 3
    for i, env in enumerate(single):
        assert same({k: v[i] for k, v in got.items()}, env.reset(seed=11 + i)[0])
    for _ in range(batch.horizon + 3):
        actions = batch.action_space.sample()
        got, rewards, _, truncated, _ = batch.step(actions)
        for i, env in enumerate(single):
            if over[i]:
                want, reward, over[i] = env.reset()[0], 0.0, False
            else:
                want, reward, _, over[i], _ = env.step(actions[i])
            assert same({k: v[i] for k, v in got.items()}, want)
            assert rewards[i] == reward and truncated[i] == over[i]
    batch.close()
    print("batch: three at once are the three alone")


def check_policy(folder):
    policy = telos.load(os.path.join(folder, "policy.safetensors"))
    rows = np.loadtxt(os.path.join(folder, "rows.txt"), dtype=np.float32)
    inputs, actions = rows[:, :policy.obs + policy.goal], rows[:, policy.obs + policy.goal:]
    parts = {"observation": inputs[:, :policy.obs], "desired_goal": inputs[:, policy.obs:]}
    assert same(policy(inputs), actions) and same(policy(parts), actions)
    assert same(policy(inputs[3]), actions[3])
    assert policy.task == "fetch-push"
    print(f"policy: {len(rows)} actions are the actor's, bit for bit")


def check_errors(folder):
    bad = os.path.join(folder, "bad.xml")
    with open(bad, "w") as f:
        f.write("<mujoco><worldbody/></mujoco>")
    env = telos.make("box2d")
    refused(telos.Error, "did you mean box2d?", telos.make, "box3d")
    refused(telos.Error, "telos.horizon", telos.make, bad)
    refused(telos.Error, bad, telos.load, bad)
    refused(telos.Error, "call reset()", env.step, [0, 0])
    env.reset()
    refused(ValueError, "actions of shape (1, 3)", env.step, [0, 0, 0])
    refused(telos.Error, "not finite", env.step, [0, np.nan])
    refused(ValueError, "not finite", env.reset, options={"goal": [0, np.inf]})
    refused(ValueError, "has 2 numbers", env.reset, options={"goal": [0, 0, 0]})
    refused(ValueError, "is not known", env.reset, options={"gaol": [0, 0]})
    env.step([0, 0])  # none of these has ended the episode
    refused(ValueError, "has no rewards of its own", telos.make, "box2d", reward="task")
    refused(ValueError, "has no goal", telos.make, "hopper", reward="sparse")
    refused(telos.Error, "1000 threads", telos.make_vec, "box2d", 2000, threads=1000)
    refused(TypeError, "nothing is drawn", telos.make, "box2d", render_mode="human")
    gymnasium.make("telos/Box2d-v0", render_mode=None).close()
    env.close()
    refused(telos.Error, "is closed", env.step, [0, 0])
    print("errors: each is an exception that says what and why")


def check_readme(folder):
    """False: an example could not run."""
    with open(os.path.join(PACKAGE, "README.md")) as f:
        examples = re.findall(r"```python\n(.*?)```", f.read(), re.S)
    assert len(examples) == 4
    whole = True
    for example in examples:
        if "stable_baselines3" in example and stable_baselines3 is None:
            print("skipped: the example of Stable-Baselines3, which is not installed")
            whole = False
            continue
        exec(compile(example.replace("runs/fetch-push/NAME", folder), "README.md", "exec"), {})
    print(f"README: {len(examples) - (not whole)} examples run")
    return whole


def main():
    folder = sys.argv[1]
    check_tasks()
    check_rewards()
    check_batch()
    check_policy(folder)
    check_errors(folder)
    return 0 if check_readme(folder) else 77


if __name__ == "__main__":
    sys.exit(main())
