// train_videos.c - the videos that a run asks for with --video-every.
//
// The learner leaves policies that it evaluated in <run>/videos, and that folder is the queue:
// telos-play draws the oldest one, the policy goes when its video is there, and so on. What is left
// when a run is interrupted is drawn when it goes on. Nothing waits for a video but the end of the
// program, and one that cannot be drawn costs the videos only. TensorBoard follows one file of a
// folder, and the run's is the learner's: event files with the videos are in <run>/videos, too.
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/run_files.h"
#include "deploy/launch/train.h"

enum { VIDEO_MS = 600000 };  // a video that takes longer has failed

// The oldest policy that waits to be drawn; false when there is none. Numbers have leading zeros.
static bool find_video(struct train *t) {
  static const char suffix[] = ".safetensors";
  char folder[PATH_MAX + 16], first[NAME_MAX + 1] = "";
  snprintf(folder, sizeof folder, "%s/videos", t->run);
  DIR *dir = opendir(folder);
  if (dir == NULL) {
    return false;
  }
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    const char *name = entry->d_name;
    const size_t n = strlen(name), k = sizeof suffix - 1;
    if (n > k && strcmp(name + n - k, suffix) == 0 && strncmp(name, "step_", 5) == 0 &&
        (first[0] == '\0' || strcmp(name, first) < 0)) {
      snprintf(first, sizeof first, "%s", name);
    }
  }
  closedir(dir);
  snprintf(t->video, sizeof t->video, "%s/%s", folder, first);
  return first[0] != '\0';
}

static void on_player_late(uv_timer_t *timer) {
  struct child *c = timer->data;
  if (c->alive) {
    uv_process_kill(&c->process, SIGKILL);
  }
}

static void on_player_exit(uv_process_t *process, int64_t status, int term_signal) {
  struct child *c = process->data;
  struct train *t = c->train;
  c->alive = false;
  uv_timer_stop(&c->restart);
  if (status == 0 && term_signal == 0) {
    unlink(t->video);
  } else if (t->signals == 0 && t->exit_code == 0) {
    char text[PATH_MAX + 768];
    snprintf(text, sizeof text,
             "W telos: no more videos: telos-play ended with %s %d on %s; training goes on",
             term_signal != 0 ? "signal" : "exit code",
             term_signal != 0 ? term_signal : (int)status, t->video);
    status_log(&t->status, text);
    t->video_every = 0;
  }
  uv_close((uv_handle_t *)process, train_on_closed);
}

void train_tell_of_videos(struct train *t) {
  if (t->ending && t->player.alive && !t->told_of_videos) {
    t->told_of_videos = true;
    status_log(&t->status, "I telos: drawing the last videos; Ctrl-C to do without");
  }
}

// whether the run is shown in TensorBoard
static bool wants_events(const struct train *t) {
  struct config cfg;
  config_defaults(&cfg);
  char *path = run_files_path(t->run, "config.yaml");
  const bool wanted = config_read_file(&cfg, path) == ERR_OK && cfg.progress_tensorboard;
  free(path);
  return wanted;
}

void train_start_player(struct train *t) {
  struct child *c = &t->player;
  if (t->video_every == 0 || t->signals > 0 || t->exit_code != 0 || c->open > 0 || !find_video(t)) {
    return;
  }
  char out[sizeof t->video], parent[24], folder[PATH_MAX + 16];
  snprintf(out, sizeof out, "%.*s.webp", (int)(strlen(t->video) - strlen(".safetensors")),
           t->video);
  snprintf(parent, sizeof parent, "%ld", (long)getpid());
  snprintf(folder, sizeof folder, "%s/videos", t->run);
  char task_option[] = "--task", out_option[] = "--out", parent_option[] = "--parent";
  char events_option[] = "--events";
  char *args[] = {t->play_program,
                  t->video,
                  task_option,
                  (char *)(uintptr_t)t->task,
                  out_option,
                  out,
                  parent_option,
                  parent,
                  wants_events(t) ? events_option : NULL,
                  folder,
                  NULL};
  if (!train_spawn(c, args, on_player_exit)) {
    t->video_every = 0;
    return;
  }
  CHECK(uv_timer_start(&c->restart, on_player_late, VIDEO_MS, 0) == 0);
  train_tell_of_videos(t);
}

void train_stop_player(struct train *t) {
  if (t->player.alive) {
    uv_process_kill(&t->player.process, SIGTERM);
  }
}
