// export_python.c - exported policies as others read them: NumPy and onnxruntime have to give the
// actor's actions.
//
// Random policies of two tasks, one with a goal and one without, are exported by `telos`, and
// tests/check_export.py reads them with none of our code. The interpreter is $TELOS_PYTHON, else
// python3. A plain program, so that its exit code can be the script's 77, a visible skip, where
// Python, NumPy or onnxruntime is missing.
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/fsio.h"
#include "common/nn/weights.h"
#include "common/task/task.h"
#include "tests/integration/for_python.h"

enum { PATH = 4096 };

static int check_task(const char *folder, const char *name) {
  char model[PATH], policy[PATH], rows[PATH], telos[PATH], script[PATH];
  char export[] = "export", option[] = "--task", format_option[] = "--format", python[PATH];
  char formats[][8] = {"npz", "onnx"};
  struct task *task;
  const char *given = getenv("TELOS_PYTHON"), *bin = getenv("TELOS_BIN");
  snprintf(telos, sizeof telos, "%s/telos", bin);
  snprintf(model, sizeof model, "%s/tasks/%s.xml", bin, name);
  snprintf(policy, sizeof policy, "%s/policy.safetensors", folder);
  snprintf(rows, sizeof rows, "%s/rows.txt", folder);
  snprintf(script, sizeof script, "%s/tests/check_export.py", getenv("TELOS_SOURCE"));
  snprintf(python, sizeof python, "%s", given != NULL ? given : "python3");
  CHECK(task_load(&task, model) == ERR_OK);
  struct weights *w = for_python_policy(policy, task);
  for_python_rows(rows, task, w);
  int code = 0;
  for (int i = 0; code == 0 && i < 2; i++) {
    char *argv[] = {telos, export, policy, format_option, formats[i], option, model, NULL};
    code = for_python_run(argv);
  }
  if (code == 0) {
    char *argv[] = {python, script, (char *)folder, NULL};
    code = for_python_run(argv);
  }
  weights_unref(w);
  task_free(task);
  return code;
}

int main(void) {
  const char *base = getenv("TELOS_TEST_TMP");
  char folder[PATH];
  CHECK(fsio_mkdirs(base) == ERR_OK);
  snprintf(folder, sizeof folder, "%s/export-XXXXXX", base);
  CHECK(mkdtemp(folder) != NULL);
  int code = check_task(folder, "fetch-push");
  if (code == 0) {
    code = check_task(folder, "ant-forward");
  }
  CHECK(fsio_remove_tree(folder) == ERR_OK);
  return code;
}
