// handshake.c - see the header.
//
// libzmq does not say why the other side has cut a handshake: it may have been for our keys, or a
// proxy that has no learner yet. So it takes several, and none that ever succeeded, to give up.
#include "actor/handshake.h"

#include "common/base/log.h"
#include "proto/keyring.h"

static enum err judge_cut(struct handshake *h, const char *endpoint,
                          const struct curve_actor *keys) {
  if (++h->cut != HANDSHAKE_CUTS) {
    return ERR_OK;
  }
  if (keys == NULL) {
    if (!h->sound) {
      log_warn("%s ends each connection in the handshake; if that learner encrypts: --keys FOLDER",
               endpoint);
    }
    return ERR_OK;
  }
  if (h->sound) {
    log_warn("%s ends each handshake; if the learner's key has changed, bring us its %s%s anew",
             endpoint, KEYRING_LEARNER, KEYRING_SUFFIX);
    return ERR_OK;
  }
  log_error(
      "the learner at %s ends each handshake: our %s%s is not its key, or it does not encrypt; "
      "take the file from its folder of keys, and look into its log",
      endpoint, KEYRING_LEARNER, KEYRING_SUFFIX);
  return ERR_CONFIG;
}

enum err handshake_judge(struct handshake *h, enum watch_event event, const char *endpoint,
                         const struct curve_actor *keys) {
  switch (event) {
    case WATCH_SUCCEEDED:
      h->sound = true;
      h->cut = 0;
      return ERR_OK;
    case WATCH_REFUSED:
      log_error("the learner at %s does not allow our key %s, %s; `telos keys allow %s` there does",
                endpoint, keys != NULL ? keys->name : "none",
                keys != NULL ? keys->own.public_key : "-", keys != NULL ? keys->name : "NAME");
      return ERR_REFUSED;
    case WATCH_MECHANISM:
      log_error("the learner at %s %s", endpoint,
                keys != NULL ? "does not encrypt; start it with --keys FOLDER, or this actor with "
                               "--insecure"
                             : "encrypts; start this actor with --keys FOLDER");
      return ERR_CONFIG;
    case WATCH_KEY:
    case WATCH_OTHER:
    case WATCH_CUT:
      break;
  }
  return judge_cut(h, endpoint, keys);
}
