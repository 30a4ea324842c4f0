// test_bad_input.c - wrong arguments, settings, tasks, folders and files, given to real programs.
//
// Each case checks the exit code, that one error line names the thing and the remedy, and that
// nothing was lost: nothing is made for a command that cannot work, an existing run is untouched,
// and a damaged one either goes on to the same policy file or is left as it is.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/small.h"

enum { MAX_CASE_ARGS = 12, MAX_WORDS = 5 };

struct wrong {
  const char *program;
  const char *args[MAX_CASE_ARGS];  // "@name" is a path in the test's folder
  int code;
  const char *words[MAX_WORDS];
  const char *env;  // NULL: none
};

#define RUN "--run", "@run"

static void run_wrong(const struct wrong *w) {
  const char *argv[MAX_CASE_ARGS + 2] = {harness_program(w->program)};
  const char *what = w->program;
  for (int i = 0; w->args[i] != NULL; i++) {
    argv[i + 1] = w->args[i][0] == '@' ? harness_path("%s", w->args[i] + 1) : w->args[i];
    what = harness_text("%s %s", what, w->args[i]);
  }
  const char *const env[] = {w->env, NULL};
  struct proc *p = proc_start_argv(env, argv);
  small_assert_end(p, w->code, what, w->words);
  cr_assert_eq(small_count(proc_stderr(p), ""), 1, "%s: more than one line\n%s", what,
               proc_stderr(p));
  cr_assert_str_empty(proc_stdout(p), "%s", what);
  cr_assert(!harness_exists(harness_path("run")) && !harness_exists(harness_path("runs")),
            "%s: left a folder", what);
}

static void run_all(const struct wrong *w, size_t n) {
  for (size_t i = 0; i < n; i++) {
    run_wrong(&w[i]);
  }
}

#define RUN_ALL(table) run_all(table, sizeof table / sizeof *table)
#define LEARNER "telos-learner"
#define ACTOR "telos-actor"

static void write_text(const char *name, const char *text) {
  harness_write(harness_path("%s", name), text, strlen(text));
}

// ---- command lines ----

// an actor that nobody ever answers waits while the other cases run
Test(bad_input, usage_and_no_learner) {
  static const struct wrong cases[] = {
      {LEARNER, {RUN}, 64, {"--task", "--help"}, NULL},
      {LEARNER, {"--task", "box2d"}, 64, {"--run", "--help"}, NULL},
      {LEARNER, {"--task"}, 64, {"--task", "--help"}, NULL},
      {LEARNER, {"--fast", "--task", "box2d", RUN}, 64, {"--fast", "unknown", "--help"}, NULL},
      {LEARNER, {"--insecure=1", "--task", "box2d", RUN}, 64, {"--insecure=1", "--help"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "--resume", "now"}, 64, {"now", "must"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "--parent", "12x"}, 64, {"--parent 12x"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "extra"}, 78, {"extra", "group.name=value"}, NULL},
      {ACTOR, {NULL}, 64, {"--connect", "--help"}, NULL},
      {ACTOR, {"--connect"}, 64, {"--connect", "--help"}, NULL},
      {ACTOR, {"--connect", "localhost"}, 64, {"localhost", "tcp://HOST:PORT"}, NULL},
      {ACTOR, {"--connect", "tcp://a"}, 64, {"tcp://a", "tcp://HOST:PORT"}, NULL},
      {ACTOR, {"--connect", "tcp://a:0"}, 64, {"tcp://a:0", "tcp://HOST:PORT"}, NULL},
      {ACTOR, {"--connect", "tcp://a:99999"}, 64, {"tcp://a:99999", "tcp://HOST"}, NULL},
      {ACTOR, {"--connect", "ipc:///x:1"}, 64, {"ipc:///x:1", "tcp://HOST:PORT"}, NULL},
      {ACTOR, {"--connect", "tcp://a:1", "--threads", "0"}, 64, {"--threads 0", "1 to"}, NULL},
      {ACTOR, {"--connect", "tcp://a:1", "--threads", "4x"}, 64, {"--threads 4x", "1 to"}, NULL},
      {ACTOR, {"--connect", "tcp://a:1", "--threads", ""}, 64, {"--threads", "1 to"}, NULL},
      {ACTOR, {"--connect", "tcp://a:1", "--threads", "-3"}, 64, {"--threads -3"}, NULL},
      {ACTOR, {"--connect", "tcp://a:1", "--patience", "0"}, 64, {"--patience 0", "1 to"}, NULL},
      {ACTOR, {"--connect", "tcp://a:1", "--name", ""}, 64, {"--name", "characters"}, NULL},
      {ACTOR, {"--connect", "tcp://a:1", "--name", "a\nb"}, 64, {"--name", "printable"}, NULL},
      {ACTOR, {"--connect", "tcp://a:1", "--parent", "x"}, 64, {"--parent x"}, NULL},
      {ACTOR, {"--connect", "tcp://a:1", "extra"}, 64, {"extra", "--help"}, NULL},
      {ACTOR, {"--thread-count", "2"}, 64, {"--thread-count", "--help"}, NULL},
      {"telos", {"fly"}, 64, {"fly", "train", "eval"}, NULL},
      {"telos", {"train"}, 64, {"task", "telos train box2d"}, NULL},
      {"telos", {"train", "--fast"}, 64, {"--fast", "--help"}, NULL},
      {"telos", {"train", "box2d", "--run", "a"}, 64, {"--run a", "--name"}, NULL},
      {"telos", {"train", "box2d", "--actors", "0"}, 64, {"--actors 0", "1 to"}, NULL},
      {"telos", {"train", "box2d", "--actors", "two"}, 64, {"--actors two", "1 to"}, NULL},
      {"telos", {"train", "box2d", "--threads", "0"}, 64, {"--threads 0", "1 to"}, NULL},
      {"telos",
       {"train", "box2d", "--runs", "@runs", "--resume", "now"},
       64,
       {"--resume now", "must"},
       NULL},
      {"telos", {"train", "box2d", "--runs"}, 64, {"--runs", "missing", "--help"}, NULL},
      {"telos",
       {"train", "box2d", "--actor-count", "2"},
       64,
       {"--actor-count", "unknown", "telos train --help"},
       NULL},
      {"telos", {"train", "box2d", "--thred", "2"}, 64, {"did you mean --threads?"}, NULL},
      {"telos", {"train", "box2d", "--seed", "1"}, 64, {"--seed", "run.seed=1"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "--gamma=0.9"}, 64, {"agent.gamma=0.9"}, NULL},
      {"telos", {"config", "--agent.lr", "1"}, 64, {"agent.lr=1"}, NULL},
      {"telos", {"config", "--fast"}, 64, {"--fast", "--help"}, NULL},
      {"telos", {"eval"}, 64, {"which run", "--help"}, NULL},
      {"telos", {"eval", "a", "b"}, 64, {"b: one run at a time", "--help"}, NULL},
      {"telos", {"eval", "a", "run.seed=5"}, 64, {"run.seed=5", "--seed 5", "--help"}, NULL},
      {"telos", {"eval", "a", "eval.episodes=9"}, 64, {"--episodes 9", "--help"}, NULL},
      {"telos", {"eval", "a", "agent.lr=1"}, 64, {"agent.lr=1", "keeps its settings"}, NULL},
      {"telos", {"trian", "box2d"}, 64, {"trian", "did you mean train?"}, NULL},
      {"telos", {"train", "--env", "ant"}, 64, {"--env", "telos train ant"}, NULL},
      {"telos", {"train", "--task=ant"}, 64, {"--task=ant", "telos train ant"}, NULL},
      {"telos", {"eval", "--fast"}, 64, {"--fast", "--help"}, NULL},
      {"telos", {"eval", "a", "--episodes", "1"}, 64, {"--episodes 1", "from 2 to"}, NULL},
      {"telos", {"eval", "a", "--seed", "-1"}, 64, {"--seed -1", "from 0 to"}, NULL},
  };
  struct proc *lonely = proc_start(NULL, harness_program(ACTOR), "--connect", "tcp://127.0.0.1:1",
                                   "--threads", "1", "--patience", "3", NULL);
  struct proc *nowhere = proc_start(NULL, harness_program(ACTOR), "--insecure", "--connect",
                                    "tcp://a..b:1", "--patience", "1", NULL);
  RUN_ALL(cases);
  small_assert_end(nowhere, 69, "an actor of an unknown host",
                   (const char *const[]){"tcp://a..b:1", "no address of a..b", "--connect", NULL});
  small_assert_end(lonely, 69, "an actor without a learner",
                   (const char *const[]){"tcp://127.0.0.1:1", "start one", "--connect", NULL});
}

// ---- settings ----

Test(bad_input, settings) {
  write_text("typo.yaml", "run:\n  seed: 1\nodac:\n  gama: 0.9\n");
  write_text("group.yaml", "odak:\n  gamma: 0.9\n");
  write_text("twice.yaml", "agent:\n  gamma: 0.9\n  gamma: 0.8\n");
  write_text("range.yaml", "agent:\n  gamma: 1.5\n");
  write_text("broken.yaml", "agent:\n  gamma: [0.9\n");
  write_text("tab.yaml", "agent:\n\tgamma: 0.9\n");
  write_text("list.yaml", "- 1\n- 2\n");
  harness_write(harness_path("binary.yaml"), "\x7f\x45\x4c\x46\x00\xff\xfe\x80", 8);
  static const struct wrong cases[] = {
      {LEARNER,
       {"--task", "box2d", RUN, "odac.gama=0.9"},
       78,
       {"argument odac.gama=0.9", "unknown", "agent.gamma"},
       NULL},
      {LEARNER,
       {"--task", "box2d", RUN},
       78,
       {"TELOS_AGENT_GAMA", "unknown", "TELOS_AGENT_GAMMA"},
       "TELOS_AGENT_GAMA=0.9"},
      {LEARNER,
       {"--task", "box2d", RUN},
       78,
       {"TELOS_AGENT_GAMMA", "0.5 to"},
       "TELOS_AGENT_GAMMA=2"},
      {LEARNER,
       {"--task", "box2d", RUN, "--config", "@typo.yaml"},
       78,
       {"typo.yaml:4:", "unknown", "agent.gamma"},
       NULL},
      {LEARNER,
       {"--task", "box2d", RUN, "--config", "@group.yaml"},
       78,
       {"group.yaml:1:", "odak", "odac"},
       NULL},
      {LEARNER,
       {"--task", "box2d", RUN, "--config", "@twice.yaml"},
       78,
       {"twice.yaml:3:", "twice", "line 2"},
       NULL},
      {LEARNER,
       {"--task", "box2d", RUN, "--config", "@range.yaml"},
       78,
       {"range.yaml:2:", "agent.gamma", "0.5 to"},
       NULL},
      {LEARNER,
       {"--task", "box2d", RUN, "--config", "@broken.yaml"},
       78,
       {"broken.yaml:", "agent.gamma"},
       NULL},
      {LEARNER,
       {"--task", "box2d", RUN, "--config", "@tab.yaml"},
       78,
       {"tab.yaml:2:", "YAML"},
       NULL},
      {LEARNER, {"--task", "box2d", RUN, "--config", "@list.yaml"}, 78, {"list.yaml:1:"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "--config", "@binary.yaml"}, 78, {"binary.yaml"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "--config", "@no.yaml"}, 78, {"no.yaml", "No such"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "--config", "/"}, 78, {" /", "directory"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "train.batch=0"}, 78, {"train.batch", "2 to 65536"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "train.batch=1e99"}, 78, {"train.batch", "1e99"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "agent.lr=nan"}, 78, {"agent.lr", "nan"}, NULL},
      {LEARNER, {"--task", "box2d", RUN, "odac.bias_init=maybe"}, 78, {"true or false"}, NULL},
      {LEARNER,
       {"--task", "box2d", RUN, "outcome.likelihood=cauchy"},
       78,
       {"cauchy", "laplace or gaussian"},
       NULL},
      {LEARNER, {"--task", "box2d", RUN, "net.hidden=[64,0]"}, 78, {"net.hidden", "1 to"}, NULL},
      {LEARNER,
       {"--task", "box2d", RUN, "run.steps=10", "train.warmup_steps=10"},
       78,
       {"train.warmup_steps", "run.steps"},
       NULL},
      {"telos", {"config", "odac.gama=0.9"}, 78, {"odac.gama", "agent.gamma"}, NULL},
      {"telos",
       {"train", "box2d", "--runs", "@runs", "odac.gama=0.9"},
       78,
       {"odac.gama", "agent.gamma"},
       NULL},
      {"telos",
       {"train", "box2d", "--runs", "@runs", "--config", "@typo.yaml"},
       78,
       {"typo.yaml:4:", "agent.gamma"},
       NULL},
      {"telos",
       {"train", "box2d", "--runs", "@runs", "train.warmup_steps=9e9"},
       78,
       {"train.warmup_steps"},
       NULL},
  };
  RUN_ALL(cases);
}

// ---- tasks ----

#define MODEL(custom, sensors)                                                                  \
  "<mujoco model=\"three\"><custom>" custom                                                     \
  "</custom><worldbody><body><joint name=\"x\" type=\"slide\" axis=\"1 0 0\"/>"                 \
  "<geom size=\"0.1\" mass=\"1\"/></body></worldbody><actuator><motor joint=\"x\"/></actuator>" \
  "<sensor>" sensors "</sensor></mujoco>"

static const char one_dimensional[] = MODEL(
    "<numeric name=\"telos.horizon\" data=\"20\"/><numeric name=\"telos.frame_skip\" "
    "data=\"2\"/><numeric name=\"telos.goal\" data=\"1\"/>",
    "<jointpos name=\"obs.x\" joint=\"x\"/><jointpos name=\"goal.x\" joint=\"x\"/>");

Test(bad_input, tasks) {
  cr_assert(mkdir(harness_path("folder.xml"), 0755) == 0 &&
            mkfifo(harness_path("pipe.xml"), 0644) == 0);
  write_text("broken.xml", "<mujoco><worldbody>\n<body></mujoco>");
  write_text("empty.xml", "");
  write_text("element.xml", "<mujoco><worldbody><bodyy/></worldbody></mujoco>");
  write_text("joint.xml", MODEL("", "<jointpos name=\"obs.x\" joint=\"nojoint\"/>"));
  write_text(
      "goal.xml",
      MODEL("<numeric name=\"telos.horizon\" data=\"20\"/><numeric "
            "name=\"telos.frame_skip\" data=\"2\"/><numeric name=\"telos.goal\" "
            "data=\"1 2 3\"/>",
            "<jointpos name=\"obs.x\" joint=\"x\"/><jointpos name=\"goal.x\" joint=\"x\"/>"));
  static const struct wrong cases[] = {
      {LEARNER,
       {"--task", "box3d", RUN},
       78,
       {"box3d", "not found", "found there: ant ", " box2d "},
       NULL},
      {LEARNER, {"--task", "@no.xml", RUN}, 78, {"no.xml", "cannot be read"}, NULL},
      {LEARNER, {"--task", "boxd", RUN}, 78, {"boxd", "did you mean box2d?", "found there"}, NULL},
      {LEARNER, {"--task", "Fetch-Push", RUN}, 78, {"did you mean fetch-push?"}, NULL},
      {LEARNER, {"--task", "@folder.xml", RUN}, 78, {"folder.xml", "is a folder"}, NULL},
      {LEARNER, {"--task", "@pipe.xml", RUN}, 78, {"pipe.xml", "only once", "a file first"}, NULL},
      {LEARNER, {"--task", "", RUN}, 78, {"found there: ant ", " box2d "}, NULL},
      {LEARNER, {"--task", "@broken.xml", RUN}, 78, {"broken.xml", "XML"}, NULL},
      {LEARNER, {"--task", "@empty.xml", RUN}, 78, {"empty.xml"}, NULL},
      {LEARNER, {"--task", "@element.xml", RUN}, 78, {"element.xml", "bodyy"}, NULL},
      {LEARNER, {"--task", "@joint.xml", RUN}, 78, {"joint.xml", "obs.x"}, NULL},
      {LEARNER,
       {"--task", "@goal.xml", RUN},
       78,
       {"goal.xml", "telos.goal", "3 values", "have 1"},
       NULL},
      {"telos",
       {"train", "box3d", "--runs", "@runs"},
       78,
       {"box3d", "found there: ant ", " box2d "},
       NULL},
      {"telos",
       {"train", "@pipe.xml", "--runs", "@runs"},
       78,
       {"pipe.xml", "only once", "a file first"},
       NULL},
      {"telos", {"train", "boxd", "--runs", "@runs"}, 78, {"did you mean box2d?"}, NULL},
      {"telos", {"train", "@broken.xml", "--runs", "@runs"}, 78, {"broken.xml", "XML"}, NULL},
      {"telos", {"train", "@goal.xml", "--runs", "@runs"}, 78, {"telos.goal", "have 1"}, NULL},
  };
  RUN_ALL(cases);
}

// a model with several mistakes: each is one line with the element's name
Test(bad_input, task_with_many_mistakes) {
  write_text(
      "many.xml",
      MODEL("<numeric name=\"telos.horizon\" data=\"0\"/><numeric name=\"telos.actionscale\" "
            "data=\"1\"/><numeric name=\"telos.success_radius\" data=\"-1\"/>",
            "<jointpos name=\"goal.x\" joint=\"x\"/><user name=\"goal.u\" objtype=\"joint\" "
            "objname=\"x\" datatype=\"real\" needstage=\"pos\" dim=\"1\"/>"));
  struct proc *p = proc_start(NULL, harness_program(LEARNER), "--task", harness_path("many.xml"),
                              "--run", harness_path("run"), NULL);
  cr_assert_eq(proc_wait_exit(p), 78);
  const char *text = proc_stderr(p);
  static const char *const words[] = {
      "\"telos.horizon\" is 0; expected",
      "\"telos.frame_skip\" is missing; expected",
      "\"telos.actionscale\" is unknown; the nearest name is \"telos.action_scale\"",
      "\"telos.success_radius\" is -1; expected",
      "\"goal.u\" is a user sensor",
      "no sensor is named \"obs.*\"",
  };
  enum { N = sizeof words / sizeof *words };
  for (int i = 0; i < N; i++) {
    cr_assert(strstr(text, words[i]) != NULL, "no \"%s\" in\n%s", words[i], text);
  }
  cr_assert_geq(small_count(text, "E learner: task "), N);
  cr_assert_eq(small_count(text, "E learner: task "), small_count(text, ""), "%s", text);
  cr_assert(!harness_exists(harness_path("run")));
}

// ---- memory ----

// a task of 4,000 observations, whose replay no machine of today can hold
static const char *wide_task(void) {
  enum { SENSORS = 4000 };
  char *sensors = calloc(SENSORS, 64), *at = sensors;
  cr_assert_not_null(sensors);
  for (int i = 0; i < SENSORS; i++) {
    at += snprintf(at, 64, "<jointpos name='obs.%d' joint='x'/>", i);
  }
  write_text("wide.xml",
             harness_text("<mujoco model='wide'><custom><numeric name='telos.horizon' data='20'/>"
                          "<numeric name='telos.frame_skip' data='2'/>"
                          "<numeric name='telos.goal' data='1'/></custom><worldbody><body>"
                          "<joint name='x' type='slide' axis='1 0 0'/><geom size='0.1'/></body>"
                          "</worldbody><actuator><motor joint='x'/></actuator><sensor>%s"
                          "<jointpos name='goal.x' joint='x'/></sensor></mujoco>",
                          sensors));
  free(sensors);
  return harness_path("wide.xml");
}

Test(bad_input, more_memory_than_there_is) {
  const char *run = harness_path("run"), *task = wide_task();
  const char *too_much[] = {"--task", task, "replay.capacity=1e8", "run.steps=1e12", NULL};
  struct proc *p = small_learner(run, too_much);
  small_assert_end(
      p, 78, "too much memory",
      (const char *const[]){"replay.capacity = 100000000", "of memory", "at most", NULL});
  cr_assert(!harness_exists(run));
  // what is named as possible is possible
  const char *at = strstr(proc_stderr(p), "at most replay.capacity=");
  cr_assert_not_null(at);
  at += strlen("at most ");
  const char *fits[] = {"--task", task, harness_text("%.*s", (int)strcspn(at, " "), at),
                        "run.steps=1e12", NULL};
  p = small_learner(run, fits);
  proc_wait_line(p, "I learner: memory: about ");
  small_endpoint(p);
  proc_signal(p, SIGTERM);
  cr_assert_eq(proc_wait_exit(p), 75);
  // a capacity that the run never fills costs nothing
  const char *never[] = {"--task", task, "replay.capacity=1e8", "run.steps=2000", NULL};
  p = small_learner(harness_path("short"), never);
  small_endpoint(p);
  proc_signal(p, SIGTERM);
  cr_assert_eq(proc_wait_exit(p), 75);
}

// ---- ports ----

static int occupy(int *port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t n = sizeof at;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 4) == 0 &&
            getsockname(fd, (struct sockaddr *)&at, &n) == 0);
  *port = ntohs(at.sin_port);
  return fd;
}

Test(bad_input, ports_and_addresses) {
  int port;
  const int fd = occupy(&port);
  const char *run = harness_path("run"), *number = harness_text("port %d", port);
  const char *control[] = {harness_text("wire.port=%d", port), NULL};
  const char *weights[] = {harness_text("wire.weights_port=%d", port), NULL};
  small_assert_end(small_learner(run, control), 69, "port in use",
                   (const char *const[]){number, "in use", "set wire.port", NULL});
  small_assert_end(small_learner(run, weights), 69, "weights port in use",
                   (const char *const[]){number, "in use", "set wire.weights_port", NULL});
  struct proc *telos = proc_start(NULL, harness_program("telos"), "train", "box2d", "--runs",
                                  harness_path("runs"), harness_text("wire.port=%d", port), NULL);
  small_assert_end(telos, 69, "telos train, port in use",
                   (const char *const[]){number, "in use", "set wire.port", NULL});
  close(fd);
  static const char *const open_bind[] = {"wire.bind=0.0.0.0", NULL};
  static const char *const other_bind[] = {"wire.bind=10.255.255.1", "--insecure", NULL};
  static const char *const no_bind[] = {"wire.bind=my/host", "--insecure", NULL};
  small_assert_end(small_learner(run, open_bind), 78, "beyond this machine",
                   (const char *const[]){"wire.bind=0.0.0.0", "127.0.0.1", "--insecure", NULL});
  small_assert_end(small_learner(run, other_bind), 78, "an address of another machine",
                   (const char *const[]){"10.255.255.1", "wire.bind", "address", NULL});
  small_assert_end(small_learner(run, no_bind), 78, "no address",
                   (const char *const[]){"my/host", "wire.bind", "address", NULL});
  // what these left is a run that goes on
  static const char *const good_bind[] = {"wire.bind=127.0.0.1", NULL};
  small_finish(run, good_bind);
  harness_assert_same(small_policy(run), small_policy(small_reference()));
}

// a learner that is killed for good: its actor gives up after wire.patience
Test(bad_input, learner_gone) {
  static const char *const more[] = {"run.steps=1e9", "wire.patience=1000", NULL};
  struct proc *learner = small_learner(harness_path("run"), more);
  const char *endpoint = small_endpoint(learner);
  struct proc *actor = small_actor(endpoint);
  proc_wait_line(actor, "connected to");
  proc_signal(learner, SIGKILL);
  proc_wait_exit(learner);
  small_assert_end(actor, 69, "learner gone",
                   (const char *const[]){endpoint, "start one", "--connect", NULL});
}

// ---- run folders ----

Test(bad_input, run_folder) {
  const char *reference = small_reference(), *run = harness_path("run");
  small_copy(reference, run);
  uint64_t tree = small_tree(run);
  static const struct {
    const char *more[4];
    int code;
    const char *words[MAX_WORDS];
  } cases[] = {
      {{"--resume", "never"}, 78, {"--resume never", "already holds a run", "another name"}},
      {{"run.steps=3000"}, 78, {"run.steps = 3000", "4000 steps", "another run name"}},
      {{"run.seed=5"}, 78, {"run.seed: 0 -> 5", "cannot change", "another run name"}},
      {{"net.hidden=32"}, 78, {"net.hidden", "cannot change", "another run name"}},
      {{"ledger.window=800"}, 78, {"ledger.window", "cannot change", "another run name"}},
      {{"--task", "@other.xml"}, 78, {"task box2d", "task three", "digest", "another run name"}},
  };
  write_text("other.xml", one_dimensional);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *more[4] = {0};
    for (int k = 0; cases[i].more[k] != NULL; k++) {
      const char *arg = cases[i].more[k];
      more[k] = arg[0] == '@' ? harness_path("%s", arg + 1) : arg;
    }
    small_assert_end(small_learner(run, more), cases[i].code, cases[i].more[0], cases[i].words);
    cr_assert_eq(small_tree(run), tree, "%s changed the run", cases[i].more[0]);
  }
  // several changed settings are several lines
  static const char *const two[] = {"run.seed=5", "agent.tau=0.5", NULL};
  struct proc *p = small_learner(run, two);
  cr_assert_eq(proc_wait_exit(p), 78);
  cr_assert_eq(small_count(proc_stderr(p), "E "), 2, "%s", proc_stderr(p));
  cr_assert_eq(small_tree(run), tree);

  // no run to resume
  static const char *const must[] = {"--resume", "must", NULL};
  const char *none = harness_path("none");
  small_assert_end(small_learner(none, must), 78, "must",
                   (const char *const[]){none, "no run", "--resume auto", NULL});
  cr_assert(!harness_exists(none));

  // places where no run can be
  const char *file = harness_path("other.xml");
  small_assert_end(small_learner(file, NULL), 74, "a file",
                   (const char *const[]){file, "folder", NULL});
  small_assert_end(small_learner("/proc/telos", NULL), 74, "/proc",
                   (const char *const[]){"/proc/telos", "folder", NULL});
  cr_assert_eq(strlen(harness_read(file, NULL)), strlen(one_dimensional));

  // a run that has ended stays as it is, and goes on when there is more to do
  p = small_learner(run, must);
  cr_assert_eq(proc_wait_exit(p), 0);
  cr_assert(strstr(proc_stderr(p), "is complete") != NULL);
  cr_assert_eq(small_tree(run), tree);
  static const char *const longer[] = {"run.steps=5000", NULL};
  small_finish(run, longer);
  const char *straight = harness_path("straight");
  small_finish(straight, longer);
  harness_assert_same(small_policy(run), small_policy(straight));
}

Test(bad_input, run_in_use) {
  const char *run = harness_path("run");
  struct proc *first = small_learner(run, NULL);
  const char *endpoint = small_endpoint(first);
  const char *words[] = {run, "in use", "another run name", NULL};
  small_assert_end(small_learner(run, NULL), 69, "in use", words);
  struct proc *actor = small_actor(endpoint);
  // the first one must not be done before the second one gives up
  proc_wait_line(first, "progress steps=");
  proc_signal(actor, SIGSTOP);
  small_assert_end(small_learner(run, NULL), 69, "in use while training", words);
  proc_signal(actor, SIGCONT);
  cr_assert_eq(proc_wait_exit(first), 0);
  cr_assert_eq(proc_wait_exit(actor), 0);
  harness_assert_same(small_policy(run), small_policy(small_reference()));
}

// ---- telos eval ----

Test(bad_input, eval) {
  const char *policy = small_policy(small_reference());
  size_t n;
  const char *bytes = harness_read(policy, &n);
  write_text("other.xml", one_dimensional);
  write_text("garbage", "this is no policy, it is a line of text that goes on for a while");
  static const struct wrong cases[] = {
      {"telos", {"eval", "@nothing"}, 74, {"nothing", "No such file"}, NULL},
      {"telos", {"eval", "--random"}, 64, {"--random takes --task"}, NULL},
      {"telos", {"eval", "--random", "--task", "box2d", "x"}, 64, {"and no run"}, NULL},
      {"telos", {"eval", "@"}, 74, {"policy.safetensors", "No such file"}, NULL},
      {"telos", {"eval", "@garbage"}, 65, {"garbage", "safetensors"}, NULL},
      {"telos", {"eval", "/dev/null"}, 65, {"/dev/null", "safetensors"}, NULL},
      {"telos",
       {"eval", "@reference", "--task", "@other.xml"},
       78,
       {"reference", "obs 2, goal 2, act 2", "task three", "--task"},
       NULL},
      {"telos", {"eval", "@reference", "--task", "box3d"}, 78, {"box3d", "found there"}, NULL},
  };
  RUN_ALL(cases);
  // cut off at several lengths, in the header and in the data, and one byte too many
  const size_t lengths[] = {0, 7, 8, 40, n / 2, n - 4, n - 1};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    harness_write(harness_path("cut"), bytes, lengths[i]);
    struct proc *p = proc_start(NULL, harness_program("telos"), "eval", harness_path("cut"), NULL);
    small_assert_end(p, 65, harness_text("%zu bytes", lengths[i]),
                     (const char *const[]){harness_path("cut"), NULL});
    cr_assert_str_empty(proc_stdout(p));
  }
  // the policy itself is sound
  struct proc *p = proc_start(NULL, harness_program("telos"), "eval", policy, NULL);
  cr_assert_eq(proc_wait_exit(p), 0, "%s", proc_stderr(p));
}
