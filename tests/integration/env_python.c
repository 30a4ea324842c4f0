// env_python.c - tasks and policies in Python: Gymnasium's checker, and the actor's actions.
//
// A random policy of fetch-push is written with the actions that an actor would take, and
// tests/check_env.py does the rest, on the library of this build. The interpreter is $TELOS_PYTHON,
// else python3. A plain program, so that its exit code can be the script's 77, a visible skip,
// where Python or a package is missing.
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/nn/weights.h"
#include "common/task/task.h"
#include "tests/integration/for_python.h"

enum { PATH = 4096 };

int main(void) {
  const char *base = getenv("TELOS_TEST_TMP"), *given = getenv("TELOS_PYTHON");
  char folder[PATH], model[PATH], policy[PATH + 32], rows[PATH + 32], script[PATH], python[PATH];
  CHECK(fsio_mkdirs(base) == ERR_OK);
  snprintf(folder, sizeof folder, "%s/env-XXXXXX", base);
  CHECK(mkdtemp(folder) != NULL);
  snprintf(model, sizeof model, "%s/tasks/fetch-push.xml", getenv("TELOS_BIN"));
  snprintf(policy, sizeof policy, "%s/policy.safetensors", folder);
  snprintf(rows, sizeof rows, "%s/rows.txt", folder);
  snprintf(script, sizeof script, "%s/tests/check_env.py", getenv("TELOS_SOURCE"));
  snprintf(python, sizeof python, "%s", given != NULL ? given : "python3");
  struct task *task;
  CHECK(task_load(&task, model) == ERR_OK);
  struct weights *w = for_python_policy(policy, task);
  for_python_rows(rows, task, w);
  char write_no_bytecode[] = "-B";
  char *argv[] = {python, write_no_bytecode, script, folder, NULL};
  const int code = for_python_run(argv);
  weights_unref(w);
  task_free(task);
  CHECK(fsio_remove_tree(folder) == ERR_OK);
  return code;
}
