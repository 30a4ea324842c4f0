"""Tasks of Telos as Gymnasium environments, and its policies as functions.

    import gymnasium, telos
    env = gymnasium.make("telos/FetchPush-v0")
    env = telos.make("my/robot.xml")
    policy = telos.load("runs/fetch-push/NAME")
    action = policy(observation)

Importing it registers the bundled tasks. README.md beside the package is the manual.
"""
import gymnasium

from telos._library import Error, tasks
from telos.env import TelosEnv
from telos.policy import Policy
from telos.vector import TelosVectorEnv

__all__ = ["Error", "Policy", "TelosEnv", "TelosVectorEnv", "env_id", "load", "make", "make_vec",
           "tasks"]


def env_id(task):
    """The name under which Gymnasium knows a bundled task: fetch-push is telos/FetchPush-v0."""
    return "telos/" + "".join(word[:1].upper() + word[1:] for word in task.split("-")) + "-v0"


def make(task, **options):
    """An environment of a task: a name, or a file that has a '/' or ends in .xml."""
    return TelosEnv(task, **options)


def make_vec(task, num_envs, **options):
    """num_envs of them that are stepped together."""
    return TelosVectorEnv(task, num_envs, **options)


def load(what, checkpoint=None):
    """The policy of a run's folder or a policy file; checkpoint: "best", "last" or its steps."""
    return Policy(what, checkpoint)


for _task in tasks():
    if env_id(_task) not in gymnasium.registry:
        gymnasium.register(env_id(_task), entry_point="telos.env:TelosEnv",
                           vector_entry_point="telos.vector:TelosVectorEnv",
                           kwargs={"task": _task})
