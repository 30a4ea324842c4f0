#!/usr/bin/env python3
"""Load exported policies without telos: policy.npz by NumPy, policy.onnx by onnxruntime.

    check_export.py FOLDER    policy.npz, policy.onnx and rows.txt: inputs and the actor's actions

Every format has to give the actor's actions to 1e-6, for any batch, and tell the same sheet.
Exit 77: NumPy or onnxruntime is missing, so not all was checked; a line says what.
"""

import json
import sys

try:
    import numpy as np
except ImportError:
    print("skipped: check_export.py needs NumPy (Debian: python3-numpy)")
    sys.exit(77)

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

try:
    import onnx
except ImportError:
    onnx = None

TOLERANCE = 1e-6


def act_npz(p, x):
    layer = 0
    while f"actor.net.{layer}.weight" in p.files:
        weight, bias = p[f"actor.net.{layer}.weight"], p[f"actor.net.{layer}.bias"]
        x = np.maximum(x @ weight.T + bias, 0)
        layer += 2
    return np.tanh(x @ p["actor.mean.weight"].T + p["actor.mean.bias"])


def check(what, got, expected):
    worst = float(np.max(np.abs(got - expected)))
    print(f"{what}: differs by at most {worst:.3g}")
    if not worst <= TOLERANCE:
        sys.exit(f"{what}: more than {TOLERANCE:g}")


def check_sheet(sheet):
    assert sheet["task"] and sheet["control_hz"] > 0
    for number in sheet["observation"] + sheet["goal"]:
        assert number["name"] and number["scale"] != 0 and "unit" in number
    action = sheet["action"]
    assert action["mode"] and action["rule"] and action["numbers"]


def check_onnx(path, sheet, observation, goal, expected):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    assert names == (["observation", "goal"] if goal.shape[1] else ["observation"]), names
    assert all(not isinstance(i.shape[0], int) for i in session.get_inputs()), "the batch is fixed"
    assert json.loads(session.get_modelmeta().custom_metadata_map["sheet"]) == sheet
    for batch in (1, 3, len(expected)):
        inputs = {"observation": observation[:batch], "goal": goal[:batch]}
        action, mean, log_std = session.run(None, {k: inputs[k] for k in names})
        check(f"onnxruntime, batch {batch}", action, expected[:batch])
        assert np.allclose(np.tanh(mean), action, atol=TOLERANCE)
        assert log_std.shape == action.shape and log_std.min() >= -20 and log_std.max() <= 2


def main():
    folder = sys.argv[1]
    rows = np.loadtxt(f"{folder}/rows.txt", dtype=np.float32, ndmin=2)
    p = np.load(f"{folder}/policy.npz")
    sheet = json.loads(p["sheet"].item())
    check_sheet(sheet)
    obs, goals = len(sheet["observation"]), len(sheet["goal"])
    observation, goal = rows[:, :obs], rows[:, obs:obs + goals]
    expected = rows[:, obs + goals:]
    check("NumPy", act_npz(p, rows[:, :obs + goals]), expected)
    if onnx is not None:
        onnx.checker.check_model(onnx.load(f"{folder}/policy.onnx"), full_check=True)
        print("onnx.checker: well formed")
    if onnxruntime is None:
        print("skipped: policy.npz is right; policy.onnx needs onnxruntime (pip install onnxruntime)")
        return 77
    check_onnx(f"{folder}/policy.onnx", sheet, observation, goal, expected)
    return 0


if __name__ == "__main__":
    sys.exit(main())
