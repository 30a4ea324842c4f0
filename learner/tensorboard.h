// tensorboard.h - a run's course for TensorBoard: `tensorboard --logdir runs` shows it.
//
// What progress.csv and eval.csv say is said here again, from the same rows, under the tags that
// Stable-Baselines3 gives these figures, where it has them. Steps are env steps.
//
//   rollout/ep_len_mean              ep_len         training episodes, the last 100
//   rollout/ep_rew_mean              ep_return
//   rollout/ep_final_distance_mean   ep_distance
//   rollout/success_rate             ep_success
//   time/total_timesteps             steps
//   time/episodes                    episodes
//   time/time_elapsed                seconds        of training, over all lives
//   time/fps                         steps over seconds
//   train/n_updates                  updates
//   train/policy_version             version
//   train/critic_loss                loss_q
//   train/actor_loss                 loss_pi
//   train/ent_coef                   alpha
//   train/<figure>                   any other figure of the update rule (telos rules)
//   eval/mean_reward                 return         evaluations, from here on
//   eval/success_rate                success
//   eval/score                       score
//   eval/score_ci95                  score_ci95
//   eval/final_distance              final_distance
//   eval/initial_distance            initial_distance
//   eval/unstable                    unstable
//   hyperparameters                  all settings, as a table; HPARAMS has them, too
//   eval/video                       what --video-every draws; of run <run>/videos, since the files
//                                    of a folder have one writer (deploy/play/film.h)
//
// A run that goes on begins another file (proto/event_file.h) and voids what earlier ones have
// beyond its checkpoint. An evaluation that is owed there comes again, so that all is void from the
// first of these on, and the rows of both files from there on are said again; all rows, when there
// is no earlier file. TensorBoard wants the steps of a tag in order: the result of an evaluation
// waits for those that were asked for before it.
//
// Nothing here fails, and nothing of it enters training. Trainer's thread only.
#ifndef LEARNER_TENSORBOARD_H
#define LEARNER_TENSORBOARD_H

#include "common/config/config.h"
#include "learner/fold.h"

struct tensorboard;

// What it is of; all borrowed, and cfg and progress_header beyond the call.
struct tensorboard_run {
  const char *folder, *task;  // run's folder, whose CSV files are cut to the fold; task's name
  const struct config *cfg;
  const struct fold *fold;      // at a commit's end
  const char *progress_header;  // of progress.csv
};

// Free with tensorboard_close. NULL: it is switched off (progress.tensorboard); that is allowed
// below.
struct tensorboard *tensorboard_open(const struct tensorboard_run *run);
void tensorboard_close(struct tensorboard *t);

// A row that was added to progress.csv; to eval.csv, when its evaluation is owed no more.
void tensorboard_progress(struct tensorboard *t, const char *row);
void tensorboard_evaluation(struct tensorboard *t, const struct fold *f, const char *row);

// The run has come to its end.
void tensorboard_complete(struct tensorboard *t);

// What was said is on disk.
void tensorboard_sync(struct tensorboard *t);

#endif
