"""libtelos-env: where it is, and its functions (deploy/python/telos_env.h)."""
import ctypes
import glob
import os
import shutil
import sys
import warnings
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_size_t, c_ubyte, c_uint64, c_void_p

ABI = 1
NAME = "libtelos-env.so"
VARIABLE = "TELOS_ENV_LIBRARY"


class Error(RuntimeError):
    """What the library refused, with the remedy."""


class Info(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("n", c_int), ("obs", c_int), ("act", c_int), ("goal", c_int),
                ("horizon", c_int), ("has_reward", c_int), ("success_radius", c_double),
                ("step_seconds", c_double)]


class State(ctypes.Structure):
    _fields_ = ([(name, POINTER(c_float)) for name in ("obs", "achieved", "desired", "reward")] +
                [(name, POINTER(c_ubyte))
                 for name in ("terminated", "truncated", "unstable", "was_reset")])


class PolicyInfo(ctypes.Structure):
    _fields_ = [("task", c_char_p), ("obs", c_int), ("act", c_int), ("goal", c_int),
                ("members", c_int)]


EACH = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)

FUNCTIONS = {
    "telos_env_abi": (c_int, []),
    "telos_env_error": (c_char_p, []),
    "telos_env_warning": (c_char_p, []),
    "telos_env_list": (None, [EACH, c_void_p]),
    "telos_env_load": (c_void_p, [c_char_p, c_int, c_int]),
    "telos_env_free": (None, [c_void_p]),
    "telos_env_info": (Info, [c_void_p]),
    "telos_env_state": (State, [c_void_p]),
    "telos_env_set_member": (None, [c_void_p, c_int]),
    "telos_env_reset": (c_int, [c_void_p] * 4),
    "telos_env_step": (c_int, [c_void_p, c_void_p]),
    "telos_env_distance": (None, [c_void_p] * 4 + [c_size_t, c_int]),
    "telos_policy_load": (c_void_p, [c_char_p, c_char_p]),
    "telos_policy_free": (None, [c_void_p]),
    "telos_policy_info": (PolicyInfo, [c_void_p]),
    "telos_policy_meta": (c_char_p, [c_void_p, c_char_p]),
    "telos_policy_act": (c_int, [c_void_p] * 4 + [c_size_t, c_int]),
}


def candidates():
    """Where the library may be, best first: what the variable names and nothing else; the builds of
    the checkout that this file is in; beside the program telos; installed prefixes."""
    if os.environ.get(VARIABLE):
        return [os.environ[VARIABLE]]
    checkout = os.path.realpath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))
    found = [os.path.join(checkout, "build", preset, "lib", NAME)
             for preset in ("release", "clang", "dev")] + [os.path.join(checkout, "build", "lib", NAME)]
    program = shutil.which("telos")
    prefixes = [os.path.dirname(os.path.dirname(os.path.realpath(program)))] if program else []
    for prefix in prefixes + [sys.prefix, "/usr/local", "/usr"]:
        for folder in ("lib", "lib64", os.path.join("lib", "*")):
            found += sorted(glob.glob(os.path.join(glob.escape(prefix), folder, NAME)))
    return found


def open_library():
    there = [path for path in candidates() if os.path.isfile(path)]
    if not there:
        named = os.environ.get(VARIABLE)
        where = f"{VARIABLE} names {named}, which is not there" if named else f"{NAME} is not found"
        raise ImportError(f"telos: {where}; build it with `cmake --build --preset release`, and give "
                          f"its path in {VARIABLE} when the build is elsewhere")
    try:
        library = ctypes.CDLL(there[0])
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as e:
        raise ImportError(f"telos: {there[0]} cannot be used: {e}; build it again, for this machine "
                          "and this version") from None
    if library.telos_env_abi() != ABI:
        raise ImportError(f"telos: {there[0]} is of another version of Telos; build it again")
    return library


lib = open_library()


def fail():
    raise Error(lib.telos_env_error().decode(errors="replace") or "unknown error")


def warn():
    """After a call that went well: what it has to say nevertheless."""
    text = lib.telos_env_warning().decode(errors="replace")
    if text:
        warnings.warn(text, stacklevel=4)


def name_bytes(name):
    """A name or path for the library."""
    raw = os.fsencode(name)
    if b"\0" in raw:
        raise ValueError(f"{name!r} has a zero in it, which no file name has")
    return raw


def tasks():
    """The names of the tasks that are found without a path, sorted."""
    found = []
    lib.telos_env_list(EACH(lambda _, name: found.append(os.fsdecode(name))), None)
    return found


def address(array):
    """Of a contiguous array, for the time of a call; None stays None."""
    return None if array is None else array.ctypes.data
