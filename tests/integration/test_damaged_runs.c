// test_damaged_runs.c - a run folder that is damaged, torn or of another version: training either
// goes on to the same policy file, bit for bit, or is refused in one line, and then every file is
// as it was.
#include <signal.h>

#include "tests/integration/small.h"

enum { MAX_FILES = 64, TRAIN_ARGS = 40 };

enum damage { FLIP, FLIP_LAST, HALVE, EMPTY, DELETE, DAMAGES };
static const char *const damage_name[] = {"a bit flipped", "a bit of the last byte flipped",
                                          "cut in half", "emptied", "deleted"};

static void damage_file(const char *path, enum damage how, size_t at) {
  size_t n;
  char *bytes = harness_read(path, &n);
  switch (how) {
    case FLIP_LAST:
    case FLIP:
      if (n > 0) {
        bytes[how == FLIP ? at : n - 1] ^= 0x10;
      }
      harness_write(path, bytes, n);
      break;
    case HALVE:
      harness_write(path, bytes, n / 2);
      break;
    case EMPTY:
      harness_write(path, bytes, 0);
      break;
    case DELETE:
      cr_assert_eq(remove(path), 0);
      break;
    case DAMAGES:
      break;
  }
}

// telos train on <folder>/box2d/<name>, with these arguments, up to a NULL
static struct proc *train(const char *name, const char *const *more) {
  const char *argv[TRAIN_ARGS + 1] = {harness_program("telos"),
                                      "train",
                                      "box2d",
                                      "--runs",
                                      harness_folder(),
                                      "--name",
                                      name,
                                      "--actors",
                                      "1"};
  int n = 9;
  for (int i = 0; more[i] != NULL; i++) {
    cr_assert(n < TRAIN_ARGS);
    argv[n++] = more[i];
  }
  return proc_start_argv(NULL, argv);
}

static const char *const settings[] = {SMALL_SETTINGS, NULL};
static const char *const longer[] = {"run.steps=4000", NULL};

// A run with 1500 steps to go, which has a video's policy, too; made once a test. It knows its
// settings: only the length is given when it goes on.
static const char *unfinished(void) {
  const char *run = harness_path("box2d/unfinished");
  if (!harness_exists(run)) {
    static const char *const more[] = {SMALL_SETTINGS, "run.steps=2500", NULL};
    cr_assert_eq(proc_wait_exit(train("unfinished", more)), 0);
    cr_assert_eq(
        system(harness_text("mkdir '%s/videos' && cp '%s' '%s/videos/step_000002000.safetensors'",
                            run, small_policy(run), run)),
        0);
  }
  return run;
}

static const char *reference_policy(void) {
  const char *run = harness_path("box2d/reference");
  if (!harness_exists(run)) {
    cr_assert_eq(proc_wait_exit(train("reference", settings)), 0);
  }
  return small_policy(run);
}

// What became of a run folder: 0, and its policy is that of an undisturbed run; or it was refused
// with this code and one error line, and is as it was.
static int outcome_of(const char *name, const char *const *more, const char *what) {
  const char *run = harness_path("box2d/%s", name);
  const uint64_t tree = small_tree(run);
  struct proc *p = train(name, more);
  const int code = proc_wait_exit(p);
  if (code == 0) {
    harness_assert_same(reference_policy(), small_policy(run));
  } else {
    cr_assert(code == 65 || code == 78, "%s: exit code %d\n%s", what, code, proc_stderr(p));
    cr_assert_eq(small_count(proc_stderr(p), "E "), 1, "%s: expected one error line\n%s", what,
                 proc_stderr(p));
    cr_assert_eq(small_tree(run), tree, "%s: refused, and changed\n%s", what, proc_stderr(p));
  }
  return code;
}

// ---- every file, every damage ----

static char *files[MAX_FILES];  // relative to the run
static int nfiles;
static size_t run_length;

static int list_file(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)ftw;
  if (type == FTW_F) {
    cr_assert(nfiles < MAX_FILES);
    files[nfiles++] = strdup(path + run_length + 1);
  }
  return 0;
}

// What one damaged file may lead to: files that say what the run is are needed; of what training
// leaves, the last two checkpoints stand in for each other, and the log is needed as far as they
// go; all else is no part of the state.
static bool may_end(const char *file, int code) {
  if (strcmp(file, "config.yaml") == 0 || strcmp(file, "manifest.json") == 0) {
    return code != 0;
  }
  return code == 0 || strncmp(file, "replay/", 7) == 0;
}

Test(damaged_runs, every_file_and_every_damage) {
  const char *from = unfinished(), *run = harness_path("box2d/run");
  reference_policy();
  run_length = strlen(from);
  cr_assert_eq(nftw(from, list_file, 16, FTW_PHYS), 0);
  cr_assert_geq(nfiles, 12);
  int refused = 0;
  for (int f = 0; f < nfiles; f++) {
    for (int how = 0; how < DAMAGES; how++) {
      const char *what = harness_text("%s %s", files[f], damage_name[how]);
      small_copy(from, run);
      const char *path = harness_text("%s/%s", run, files[f]);
      size_t n;
      harness_read(path, &n);
      damage_file(path, (enum damage)how, n / 2);
      const int code = outcome_of("run", longer, what);
      cr_assert(may_end(files[f], code), "%s: exit code %d", what, code);
      refused += code != 0;
    }
    free(files[f]);
  }
  // config.yaml and manifest.json, and what both checkpoints need of the log
  cr_assert(refused >= 10 && refused <= 15, "%d refused", refused);
}

// ---- torn copies ----

static const char *const PARTS[] = {"config.yaml", "manifest.json", "checkpoints", "replay",
                                    "policy.safetensors"};
enum { CONFIG = 1, MANIFEST = 2, CHECKPOINTS = 4, REPLAY = 8, POLICY = 16, ALL = 31 };

Test(damaged_runs, every_mixture_of_what_is_missing) {
  const char *from = unfinished(), *run = harness_path("box2d/run");
  reference_policy();
  for (int parts = 0; parts <= ALL; parts++) {
    const char *what = harness_text("parts %x", (unsigned)parts);
    small_copy(from, run);
    cr_assert_eq(system(harness_text("rm -r '%s/videos' '%s/best'", run, run)), 0);
    for (int i = 0; i < 5; i++) {
      if ((parts >> i & 1) == 0) {
        cr_assert_eq(system(harness_text("rm -r '%s/%s'", run, PARTS[i])), 0);
      }
    }
    // all settings, as for a run that begins
    const int code = outcome_of("run", settings, what);
    const bool fresh = (parts & ~CONFIG) == 0;
    const int whole = CONFIG | MANIFEST | CHECKPOINTS | REPLAY;
    const int want = fresh || (parts & whole) == whole                  ? 0
                     : (parts & (whole & ~REPLAY)) == (whole & ~REPLAY) ? 65
                                                                        : 78;
    cr_assert_eq(code, want, "%s: exit code %d, expected %d", what, code, want);
  }
}

// the line names what is missing and what is still there, for either program
Test(damaged_runs, the_line_says_what_is_missing_and_what_is_there) {
  const char *from = unfinished(), *run = harness_path("box2d/run");
  static const struct {
    const char *missing;
    const char *words[8];
  } cases[] = {
      {"config.yaml", {"lacks config.yaml, but has manifest.json, checkpoints, replay"}},
      {"manifest.json", {"lacks manifest.json, but has config.yaml, checkpoints, replay"}},
      {"checkpoints", {"lacks checkpoints/step_*, but has config.yaml, manifest.json, replay"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    small_copy(from, run);
    cr_assert_eq(system(harness_text("rm -r '%s/%s'", run, cases[i].missing)), 0);
    const char *const words[] = {run,           cases[i].words[0],  "policy.safetensors",
                                 "from a copy", "another run name", NULL};
    small_assert_end(train("run", longer), 78, cases[i].missing, words);
    small_assert_end(small_learner(run, NULL), 78, cases[i].missing, words);
    static const char *const never[] = {"--resume", "never", NULL};
    static const char *const must[] = {"--resume", "must", NULL};
    if (i < 2) {
      small_assert_end(small_learner(run, never), 78, cases[i].missing, words);
    }
    small_assert_end(small_learner(run, must), 78, cases[i].missing, words);
  }
}

// stopped before the first checkpoint: nothing is lost that does not come again
Test(damaged_runs, killed_before_the_first_checkpoint) {
  const char *run = harness_path("run");
  static const char *const rare[] = {"checkpoint.every=1e9", NULL};
  struct proc *learner = small_learner(run, rare);
  struct proc *actor = small_actor(small_endpoint(learner));
  while (!harness_exists(harness_text("%s/replay/episodes-000000000.tfrecord", run)) ||
         strlen(harness_read(harness_text("%s/replay/episodes-000000000.tfrecord", run), NULL)) ==
             0) {
    cr_assert(proc_running(learner));
  }
  proc_signal(learner, SIGKILL);
  proc_wait_exit(learner);
  proc_signal(actor, SIGTERM);
  proc_wait_exit(actor);
  cr_assert(!harness_exists(small_policy(run)));
  small_finish(run, NULL);
  harness_assert_same(small_policy(run), small_policy(small_reference()));
}

// ---- another version's folder ----

Test(damaged_runs, a_run_of_0_1_0) {
  const char *from = unfinished(), *run = harness_path("box2d/run");
  static const char manifest[] =
      "{\n  \"run\": \"1c0d8d6ff0a8bfc1\",\n  \"task\": \"box2d\",\n  \"task_digest\": "
      "\"0123456789abcdef\",\n  \"created\": \"2026-11-24T03:52:12Z\",\n  \"telos\": "
      "\"0.1.0\"\n}";
  small_copy(from, run);
  harness_write(harness_text("%s/manifest.json", run), manifest, sizeof manifest - 1);
  harness_write(harness_text("%s/config.yaml", run), "agent:\n  gone: 1\n", 16);
  const uint64_t tree = small_tree(run);
  const char *const words[] = {run, "written by telos 0.1.0", "finish it with the version",
                               "another run name", NULL};
  small_assert_end(train("run", longer), 78, "0.1.0", words);
  small_assert_end(small_learner(run, NULL), 78, "0.1.0", words);
  cr_assert_eq(small_tree(run), tree);
  // its policy can be used all the same
  struct proc *p = proc_start(NULL, harness_program("telos"), "eval", small_policy(run), NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
}

// ---- checkpoints and segments ----

// Resumes a copy of the reference whose newest checkpoint was damaged: it is named, the one before
// it is used, and the end is the same.
static void resume_from_older(const char *run, const char *what) {
  struct proc *learner = small_learner(run, NULL);
  struct proc *actor = small_actor(small_endpoint(learner));
  cr_assert_eq(proc_wait_exit(learner), 0, "%s\n%s", what, proc_stderr(learner));
  cr_assert_eq(proc_wait_exit(actor), 0);
  const char *text = proc_stderr(learner);
  cr_assert(strstr(text, "step_000004000 is damaged") != NULL &&
                strstr(text, "using the one before it") != NULL &&
                strstr(text, "resuming at 3500 of 4000") != NULL,
            "%s\n%s", what, text);
  harness_assert_same(small_policy(run), small_policy(harness_path("reference")));
}

Test(damaged_runs, damaged_checkpoint) {
  const char *reference = small_reference(), *run = harness_path("run");
  static const char *const names[] = {"state.json", "learner.safetensors"};
  for (int f = 0; f < 2; f++) {
    for (int how = 0; how < DAMAGES; how++) {
      small_copy(reference, run);
      // the policy comes back too
      cr_assert_eq(remove(small_policy(run)), 0);
      const char *path = harness_text("%s/checkpoints/step_000004000/%s", run, names[f]);
      size_t n;
      harness_read(path, &n);
      damage_file(path, (enum damage)how, n / 2);
      resume_from_older(run, harness_text("%s %s", names[f], damage_name[how]));
    }
  }
}

Test(damaged_runs, all_checkpoints_damaged) {
  const char *reference = small_reference(), *run = harness_path("run");
  small_copy(reference, run);
  damage_file(harness_text("%s/checkpoints/step_000003500/state.json", run), HALVE, 0);
  damage_file(harness_text("%s/checkpoints/step_000004000/learner.safetensors", run), FLIP, 5000);
  const uint64_t tree = small_tree(run);
  struct proc *p = small_learner(run, NULL);
  small_assert_end(
      p, 65, "all checkpoints damaged",
      (const char *const[]){"no checkpoint", run, "from a copy", "another folder", NULL});
  const char *text = proc_stderr(p);
  cr_assert(strstr(text, "step_000003500 is damaged: state.json") != NULL, "%s", text);
  cr_assert(strstr(text, "step_000004000 is damaged: learner.safetensors") != NULL, "%s", text);
  cr_assert_eq(small_tree(run), tree, "the run was changed");
  // and the remedy works: one checkpoint restored from a copy
  const char *const part = "checkpoints/step_000003500";
  small_copy(harness_text("%s/%s", reference, part), harness_text("%s/%s", run, part));
  resume_from_older(run, "restored");
}

Test(damaged_runs, damaged_segment) {
  const char *reference = small_reference(), *run = harness_path("run");
  size_t n;
  small_copy(reference, run);
  const char *path = harness_text("%s/replay/episodes-000000000.tfrecord", run);
  const char *bytes = harness_read(path, &n);

  // damage that only the newest checkpoint needs: in its last episode, of the 5 since step 3500
  damage_file(path, FLIP, n - 1000);
  resume_from_older(run, "a bit of the last episode");
  harness_write(path, bytes, n - 100);
  resume_from_older(run, "the last episode cut short");

  // what stands behind the newest checkpoint's end is cut off
  char *tailed = malloc(n + 1000);
  memcpy(tailed, bytes, n);
  memset(tailed + n, 0x5a, 1000);
  harness_write(path, tailed, n + 1000);
  free(tailed);
  static const char *const more[] = {"run.steps=5000", NULL};
  small_finish(run, more);
  const char *straight = harness_path("straight");
  small_finish(straight, more);
  harness_assert_same(small_policy(run), small_policy(straight));

  // damage that every checkpoint needs
  for (int how = 0; how < DAMAGES; how++) {
    if (how == FLIP_LAST) {
      continue;  // which the newest one needs alone
    }
    small_copy(reference, run);
    damage_file(path, (enum damage)how, 100);
    const uint64_t tree = small_tree(run);
    struct proc *p = small_learner(run, NULL);
    cr_assert_eq(proc_wait_exit(p), 65, "%s", damage_name[how]);
    const char *text = proc_stderr(p);
    cr_assert(strstr(text, "episodes-000000000.tfrecord") != NULL &&
                  strstr(text, "no checkpoint") != NULL && strstr(text, "from a copy") != NULL,
              "%s\n%s", damage_name[how], text);
    cr_assert_eq(small_tree(run), tree, "%s: the run was changed", damage_name[how]);
  }
}
