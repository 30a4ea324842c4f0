// test_fleet_verb.c - telos fleet: what it prints is a script for a shell that has all that was
// asked for, and what cannot be is refused before anything is printed.
#include <criterion/criterion.h>
#include <string.h>

#include "tests/integration/harness.h"
#include "tests/integration/small.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct proc *fleet(const char *const *words) {
  const char *argv[20] = {harness_program("telos"), "fleet"};
  for (int i = 0; words[i] != NULL; i++) {
    cr_assert(i < 17);
    argv[2 + i] = words[i];
  }
  struct proc *p = proc_start_argv(NULL, argv);
  proc_wait_exit(p);
  return p;
}

static const char *printed(const char *way) {
  struct proc *p = fleet(WORDS(way, "fetch-push", "--name", "a-run", "--actors", "12", "--threads",
                               "3", "--rule", "her", "net.hidden=[32,32]", "run.steps=2e5"));
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
  const char *script = harness_path("%s.sh", way), *text = proc_stdout(p);
  harness_write(script, text, strlen(text));
  struct proc *sh = proc_start(NULL, "sh", "-n", script, NULL);
  cr_assert_eq(proc_wait_exit(sh), 0, "%s\n%s", proc_stderr(sh), text);
  return text;
}

static void assert_has(const char *text, const char *const *words) {
  for (int i = 0; words[i] != NULL; i++) {
    cr_assert_not_null(strstr(text, words[i]), "no \"%s\" in\n%s", words[i], text);
  }
}

Test(fleet_verb, by_hand) {
  assert_has(
      printed("hand"),
      WORDS("telos keys new learner actor", "--task fetch-push --run runs/a-run",
            " --rule her 'net.hidden=[32,32]' run.steps=2e5\n", "# 12 times", "--threads 3\n"));
}

Test(fleet_verb, compose) {
  // what a shell makes of it, compose gets
  const char *text = printed("compose");
  assert_has(text, WORDS("compose.yaml up --build --scale actor=12\n"));
  const char *command = harness_text("%.*s\necho \"$TASK|$RUN|$ACTOR_CPUS|$SETTINGS\"",
                                     (int)strcspn(text, "\n"), text);
  struct proc *sh = proc_start(NULL, "sh", "-c", command, NULL);
  cr_assert_eq(proc_wait_exit(sh), 0);
  cr_assert_str_eq(proc_stdout(sh),
                   "fetch-push|a-run|3.0|--rule her 'net.hidden=[32,32]' run.steps=2e5\n");
}

Test(fleet_verb, slurm) {
  // eight cores of the learner are three tasks of three
  assert_has(printed("slurm"),
             WORDS("RUN=runs/a-run sbatch --ntasks=15 --cpus-per-task=3 ",
                   "train.sbatch fetch-push ", " --rule her 'net.hidden=[32,32]' run.steps=2e5\n"));
}

Test(fleet_verb, kubernetes) {
  assert_has(printed("kubernetes"),
             WORDS("namePrefix: a-run-\n", "net.hidden: [32,32]\nrun.steps: 2e5\n",
                   "literals: [name=a-run, task=fetch-push, rule=her]",
                   "path: /spec/completions, value: 12}", "limits/cpu, value: \"3\"}",
                   "kubectl apply -k .\n"));
}

Test(fleet_verb, what_cannot_be_is_refused) {
  small_assert_end(fleet(WORDS("cloud", "box2d")), 64, "way", WORDS("kubernetes or slurm"));
  small_assert_end(fleet(WORDS("slurm")), 64, "task", WORDS("which task"));
  small_assert_end(fleet(WORDS("slurm", "boxd")), 78, "task", WORDS("boxd"));
  small_assert_end(fleet(WORDS("compose", "my/robot.xml")), 64, "file", WORDS("my/robot.xml"));
  small_assert_end(fleet(WORDS("slurm", "box2d", "run.step=3")), 78, "setting", WORDS("run.steps"));
  small_assert_end(fleet(WORDS("slurm", "box2d", "--rule", "herr")), 78, "rule", WORDS("her"));
  small_assert_end(fleet(WORDS("slurm", "box2d", "--name", "A b")), 64, "name",
                   WORDS("--name A b"));
  small_assert_end(fleet(WORDS("slurm", "box2d", "--actors", "0")), 64, "actors",
                   WORDS("--actors"));
}
