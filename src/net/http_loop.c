/* HTTP engine: the event thread.
 *
 * One round: take what was queued, start as many transfers as the thread may
 * run, end the cancelled ones, run due timers, let libcurl work, collect what
 * it finished, look for transfers that stall or ran out of time, sleep until a
 * socket, a timer or a wake-up. The limit on running transfers is kept here and
 * not by libcurl, so that a transfer's clocks are ours while it waits as well.
 *
 * States of a transfer: queued (under the lock) -> waiting -> running -> done.
 * No lock is held over a callback. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "http_internal.h"
#include "s3apfs/base/clock.h"

#define CHECK_EVERY_MS 250 /* resolution of stall and time-out checks */
#define IDLE_POLL_MS 60000

static int64_t now_ms(void) {
  return clock_mono_ms(&clock_system);
}

/* Takes over the queue. False once the engine is being freed. */
static bool take_queue(struct http_loop *l, bool *cancels) {
  struct http_transfer *t;
  bool stop;

  mtx_lock(&l->synced.lock);
  while ((t = l->synced.queue.head) != NULL) {
    http_list_remove(&l->synced.queue, t);
    http_list_push(&l->waiting, t);
  }
  *cancels = l->synced.cancels;
  l->synced.cancels = false;
  stop = l->synced.stop;
  mtx_unlock(&l->synced.lock);
  return !stop;
}

static void count_transfer(struct http_engine *e, CURL *easy) {
  curl_off_t down = 0;
  curl_off_t up = 0;
  long head = 0;
  long request = 0;
  long connects = 0;

  curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
  curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
  curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &head);
  curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request);
  curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
  atomic_fetch_add(&e->requests, 1);
  atomic_fetch_add(&e->connections, (uint64_t)connects);
  atomic_fetch_add(&e->bytes_in, (uint64_t)down + (uint64_t)head);
  atomic_fetch_add(&e->bytes_out, (uint64_t)up + (uint64_t)request);
}

static void release_easy(struct http_loop *l, struct http_transfer *t) {
  curl_multi_remove_handle(l->multi, t->easy);
  count_transfer(l->engine, t->easy);
  if (l->idle_count < l->limit) {
    curl_easy_reset(t->easy);
    l->idle[l->idle_count++] = t->easy;
  } else {
    curl_easy_cleanup(t->easy);
  }
  t->easy = NULL;
}

/* Ends a transfer that is in no list any more. why: our reason, or NULL for
 * libcurl's. */
static void transfer_done(struct http_loop *l, struct http_transfer *t, int err, const char *why) {
  if (why != NULL)
    snprintf(t->message, sizeof(t->message), "%s", why);
  for (char *c = t->message; *c != '\0'; c++)
    if ((unsigned char)*c < 0x20)
      *c = ' ';
  if (err == 0)
    t->message[0] = '\0';
  atomic_fetch_sub(&l->load, 1);
  t->on_done(t->arg, err, &t->reply, t->message);
  http_transfer_free(t);
}

static void end_waiting(struct http_loop *l, struct http_transfer *t, int err, const char *why) {
  http_list_remove(&l->waiting, t);
  transfer_done(l, t, err, why);
}

static void end_running(struct http_loop *l, struct http_transfer *t, int err, const char *why) {
  http_list_remove(&l->running, t);
  l->running_count--;
  http_turn_leave(l, t);
  release_easy(l, t);
  transfer_done(l, t, err, why);
}

static int transfer_start(struct http_loop *l, struct http_transfer *t) {
  int rc;

  t->easy = l->idle_count > 0 ? l->idle[--l->idle_count] : curl_easy_init();
  if (t->easy == NULL)
    return -ENOMEM;
  rc = http_easy_setup(l->engine, t);
  if (rc == 0 && curl_multi_add_handle(l->multi, t->easy) != CURLM_OK)
    rc = -ENOMEM;
  if (rc != 0) {
    curl_easy_cleanup(t->easy);
    t->easy = NULL;
    return rc;
  }
  t->progress_ms = now_ms();
  return 0;
}

static void start_waiting(struct http_loop *l) {
  struct http_transfer *t;

  while (l->running_count < l->limit && (t = l->waiting.head) != NULL) {
    int rc = atomic_load(&t->cancelled) ? -ECANCELED : transfer_start(l, t);

    if (rc != 0) {
      end_waiting(l, t, rc, NULL);
      continue;
    }
    http_list_remove(&l->waiting, t);
    http_list_push(&l->running, t);
    l->running_count++;
  }
}

static void end_cancelled(struct http_loop *l) {
  struct http_transfer *next;

  for (struct http_transfer *t = l->waiting.head; t != NULL; t = next) {
    next = t->next;
    if (atomic_load(&t->cancelled))
      end_waiting(l, t, -ECANCELED, "cancelled");
  }
  for (struct http_transfer *t = l->running.head; t != NULL; t = next) {
    next = t->next;
    if (atomic_load(&t->cancelled))
      end_running(l, t, -ECANCELED, "cancelled");
  }
}

static struct http_timer *take_timer(struct http_loop *l, int64_t until_ms) {
  struct http_timer *timer;

  mtx_lock(&l->synced.lock);
  timer = l->synced.timers;
  if (timer != NULL && timer->at_ms <= until_ms)
    l->synced.timers = timer->next;
  else
    timer = NULL;
  mtx_unlock(&l->synced.lock);
  return timer;
}

static void run_timers(struct http_loop *l, int64_t until_ms, bool cancelled) {
  struct http_timer *timer;

  while ((timer = take_timer(l, until_ms)) != NULL) {
    timer->fn(timer->arg, cancelled);
    free(timer);
  }
}

static void collect_finished(struct http_loop *l) {
  CURLMsg *msg;
  int left;

  while ((msg = curl_multi_info_read(l->multi, &left)) != NULL) {
    CURLcode code = msg->data.result; /* msg dies with the handle's removal */
    char *priv = NULL;
    struct http_transfer *t;

    if (msg->msg != CURLMSG_DONE)
      continue;
    curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &priv);
    t = (struct http_transfer *)(void *)priv;
    end_running(l, t, http_easy_errno(t, code), t->why);
  }
}

static uint64_t bytes_moved(CURL *easy) {
  curl_off_t down = 0;
  curl_off_t up = 0;
  long head = 0;
  long request = 0;

  curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
  curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
  curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &head);
  curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request);
  return (uint64_t)down + (uint64_t)up + (uint64_t)head + (uint64_t)request;
}

static const char *overdue(struct http_transfer *t, int64_t now) {
  uint64_t moved = bytes_moved(t->easy);

  if (t->waits != NULL)
    return NULL; /* for its turn, not for the server */
  if (now >= t->expires_ms)
    return "the time for this request is over";
  if (moved != t->progress) {
    t->progress = moved;
    t->progress_ms = now;
  }
  return now - t->progress_ms >= t->stall_ms ? "the connection stalled" : NULL;
}

static void end_overdue(struct http_loop *l, int64_t now) {
  struct http_transfer *next;

  if (now < l->next_check_ms)
    return;
  l->next_check_ms = now + CHECK_EVERY_MS;
  for (struct http_transfer *t = l->waiting.head; t != NULL; t = next) {
    next = t->next;
    if (now >= t->expires_ms)
      end_waiting(l, t, -ETIMEDOUT, "the time for this request was over before it could start");
  }
  for (struct http_transfer *t = l->running.head; t != NULL; t = next) {
    const char *why = overdue(t, now);

    next = t->next;
    if (why != NULL)
      end_running(l, t, -ETIMEDOUT, why);
  }
}

static void sleep_until_event(struct http_loop *l) {
  int64_t wait = l->running.head != NULL || l->waiting.head != NULL ? CHECK_EVERY_MS : IDLE_POLL_MS;
  int64_t now = now_ms();
  int64_t turn;

  mtx_lock(&l->synced.lock);
  if (l->synced.timers != NULL && l->synced.timers->at_ms - now < wait)
    wait = l->synced.timers->at_ms - now;
  mtx_unlock(&l->synced.lock);
  turn = http_turns_wait_us(l);
  if (turn >= 0 && (turn + 999) / 1000 < wait)
    wait = (turn + 999) / 1000;
  if (wait > 0)
    curl_multi_poll(l->multi, NULL, 0, (int)wait, NULL);
}

static void end_all(struct http_loop *l) {
  struct http_transfer *t;

  while ((t = l->waiting.head) != NULL)
    end_waiting(l, t, -ECANCELED, "cancelled");
  while ((t = l->running.head) != NULL)
    end_running(l, t, -ECANCELED, "cancelled");
  run_timers(l, INT64_MAX, true);
}

void *http_loop_main(void *arg) {
  struct http_loop *l = arg;
  bool cancels;
  int running;

  pthread_setname_np(pthread_self(), "s3apfs-http");
  while (take_queue(l, &cancels)) {
    if (cancels)
      end_cancelled(l);
    start_waiting(l);
    run_timers(l, now_ms(), false);
    http_turns_give(l);
    curl_multi_perform(l->multi, &running);
    collect_finished(l);
    start_waiting(l); /* into the places that just became free */
    end_overdue(l, now_ms());
    sleep_until_event(l);
  }
  end_all(l);
  return NULL;
}
