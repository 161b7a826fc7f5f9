/* Replies on the wire.
 *
 * The plain way hands memory or a file range to libmicrohttpd (sendfile). A
 * reply that is paced, cut short or left hanging goes through a reader callback
 * that runs in the connection's own thread and may sleep there. A reply longer
 * than it promises cannot be said to an HTTP library: it is written to the
 * socket by hand and the connection is closed. */
#include "send.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"
#include "service.h"

#define GARBAGE "<?xml version=\"1.0\"?><ListBucketResult><Contents><Key>half \x01 &nope;"
#define HANG_CHECK_MS 100
/* A paced reply moves in steps of this part of a second. */
#define STEPS_PER_SECOND 20

static int connection_fd(struct MHD_Connection *c) {
  const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
  return i ? i->connect_fd : -1;
}

/* --- readers --- */

struct stream {
  const struct emulator *emulator;
  int peer; /* the connection's socket */
  int fd;   /* owned; -1: bytes */
  char *bytes;
  uint64_t offset;
  uint64_t stop_at;
  bool hang;     /* at stop_at; else close */
  bool ends;     /* at stop_at, in good order */
  uint64_t rate; /* bytes a second, 0 = no limit */
  int64_t start_ms;
};

static void stream_free(void *cls) {
  struct stream *s = cls;
  if (s->fd >= 0)
    close(s->fd);
  free(s->bytes);
  free(s);
}

/* Until the client goes or the emulator stops. */
static void hang(const struct emulator *e, int peer) {
  struct pollfd p = {.fd = peer, .events = POLLRDHUP};
  while (!atomic_load(&e->stopping))
    if (poll(&p, 1, HANG_CHECK_MS) > 0)
      return;
}

static size_t pace(const struct stream *s, uint64_t pos, size_t max) {
  if (!s->rate)
    return max;
  uint64_t step = s->rate / STEPS_PER_SECOND + 1;
  if (max > step)
    max = (size_t)step;
  int64_t due = s->start_ms + (int64_t)((pos + max) * 1000 / s->rate);
  service_pause(s->emulator, due - clock_mono_ms(&clock_system));
  return max;
}

static ssize_t stream_read(void *cls, uint64_t pos, char *out, size_t max) {
  struct stream *s = cls;
  if (pos >= s->stop_at) {
    if (s->hang)
      hang(s->emulator, s->peer);
    if (s->ends)
      return MHD_CONTENT_READER_END_OF_STREAM;
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
  if (max > s->stop_at - pos)
    max = (size_t)(s->stop_at - pos);
  max = pace(s, pos, max);
  if (s->fd < 0) {
    memcpy(out, s->bytes + pos, max);
    return (ssize_t)max;
  }
  ssize_t n = pread(s->fd, out, max, (off_t)(s->offset + pos));
  return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static uint64_t reply_length(const struct reply *r) {
  return r->fd >= 0 ? r->length : r->body.len;
}

static void set_limits(const struct exchange *x, struct stream *s) {
  uint64_t length = reply_length(&x->reply), bytes = x->fault.bytes;
  s->stop_at = UINT64_MAX;
  s->rate = x->fault.kind == FAULT_SLOW ? bytes : faults_bandwidth(x->emulator->faults);
  if (x->fault.kind == FAULT_DROP || x->fault.kind == FAULT_HANG)
    s->stop_at = bytes;
  if (x->fault.kind == FAULT_SHORTER)
    s->stop_at = bytes < length ? length - bytes : 0;
  s->hang = x->fault.kind == FAULT_HANG;
  if (x->reply.hide_length && s->stop_at > length) {
    s->stop_at = length;
    s->ends = true;
  }
}

static struct MHD_Response *make_stream(struct exchange *x, struct MHD_Connection *c) {
  struct stream *s = calloc(1, sizeof(*s));
  if (!s)
    return NULL;
  set_limits(x, s);
  s->emulator = x->emulator;
  s->peer = connection_fd(c);
  s->start_ms = clock_mono_ms(&clock_system);
  uint64_t length = reply_length(&x->reply);
  s->offset = x->reply.offset;
  s->fd = x->reply.fd;
  x->reply.fd = -1;
  s->bytes = s->fd < 0 ? buf_take(&x->reply.body) : NULL;
  if (x->reply.hide_length)
    length = MHD_SIZE_UNKNOWN;
  struct MHD_Response *r =
      MHD_create_response_from_callback(length, 64 << 10, stream_read, s, stream_free);
  if (!r)
    stream_free(s);
  return r;
}

static struct MHD_Response *make_plain(struct exchange *x) {
  struct reply *r = &x->reply;
  if (r->fd < 0)
    return MHD_create_response_from_buffer(r->body.len, (void *)(uintptr_t)buf_cstr(&r->body),
                                           MHD_RESPMEM_MUST_COPY);
  struct MHD_Response *m = MHD_create_response_from_fd_at_offset64(r->length, r->fd, r->offset);
  if (m)
    r->fd = -1;
  return m;
}

static bool needs_stream(const struct exchange *x) {
  enum fault_kind k = x->fault.kind;
  if (reply_length(&x->reply) == 0)
    return false;
  return x->reply.hide_length || k == FAULT_DROP || k == FAULT_SHORTER || k == FAULT_HANG ||
         k == FAULT_SLOW || faults_bandwidth(x->emulator->faults) > 0;
}

/* --- by hand --- */

static int write_out(int fd, const char *data, size_t len) {
  while (len > 0) {
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      struct pollfd p = {.fd = fd, .events = POLLOUT};
      if (poll(&p, 1, 10000) <= 0)
        return -EPIPE;
      continue;
    }
    if (n <= 0)
      return -EPIPE;
    data += n;
    len -= (size_t)n;
  }
  return 0;
}

static int write_content(int to, const struct reply *r) {
  if (r->fd < 0)
    return write_out(to, buf_cstr(&r->body), r->body.len);
  char step[16 << 10];
  uint64_t left = r->length, at = r->offset;
  int err = 0;
  while (!err && left > 0) {
    size_t n = left < sizeof(step) ? (size_t)left : sizeof(step);
    err = file_pread_all(r->fd, step, n, (off_t)at);
    if (!err)
      err = write_out(to, step, n);
    at += n;
    left -= n;
  }
  return err;
}

static enum MHD_Result send_longer(struct exchange *x, struct MHD_Connection *c) {
  struct buf head;
  buf_init(&head, 0);
  buf_printf(&head, "HTTP/1.1 %d Longer\r\nContent-Length: %llu\r\n", x->reply.status,
             (unsigned long long)reply_length(&x->reply));
  for (size_t i = 0; i < x->reply.headers.count; i++)
    buf_printf(&head, "%s: %s\r\n", x->reply.headers.items[i].name,
               x->reply.headers.items[i].value);
  buf_puts(&head, "\r\n");
  int fd = connection_fd(c);
  int err = write_out(fd, buf_cstr(&head), head.len);
  if (!err)
    err = write_content(fd, &x->reply);
  for (uint64_t i = 0; !err && i < x->fault.bytes; i++)
    err = write_out(fd, "x", 1);
  buf_fini(&head);
  return MHD_NO;
}

/* --- all --- */

static void override_headers(struct exchange *x) {
  for (size_t i = 0; i < x->fault.headers.count; i++) {
    const struct kv *h = &x->fault.headers.items[i];
    if (*h->value)
      reply_header(x, h->name, h->value);
    else
      kvlist_remove_ci(&x->reply.headers, h->name);
  }
}

static void be_garbage(struct exchange *x) {
  struct buf *out = reply_xml(x, x->reply.status);
  buf_reset(out);
  buf_puts(out, GARBAGE);
}

static enum MHD_Result queue(struct exchange *x, struct MHD_Connection *c) {
  int status = x->reply.status;
  struct MHD_Response *m = needs_stream(x) ? make_stream(x, c) : make_plain(x);
  if (!m)
    return MHD_NO;
  for (size_t i = 0; i < x->reply.headers.count; i++)
    MHD_add_response_header(m, x->reply.headers.items[i].name, x->reply.headers.items[i].value);
  enum MHD_Result sent = MHD_queue_response(c, (unsigned)status, m);
  MHD_destroy_response(m);
  return sent;
}

enum MHD_Result send_reply(struct exchange *x, struct MHD_Connection *c) {
  if (x->fault.kind == FAULT_DROP && (x->fault.bytes == 0 || x->fault.before))
    return MHD_NO;
  if (x->fault.kind == FAULT_HANG && x->fault.before) {
    hang(x->emulator, connection_fd(c));
    return MHD_NO;
  }
  if (buf_error(&x->reply.body)) {
    log_error("a reply did not fit into memory");
    reply_status(x, 500);
  }
  if (x->fault.kind == FAULT_GARBAGE)
    be_garbage(x);
  override_headers(x);
  if (x->fault.kind == FAULT_LONGER && !x->tls)
    return send_longer(x, c);
  return queue(x, c);
}
