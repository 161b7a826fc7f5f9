/* A relay that makes a near S3 server a far one, and counts what passes.
 *
 *     relay --upstream HOST:PORT [--delay-ms N] [--rate BYTES_PER_SECOND]
 *           [--port N] [--ready-file FILE]
 *
 * Every request waits delay-ms between its last header byte and its way to the
 * server, as a round trip within a region would make it wait; each connection moves
 * at most `rate` bytes a second in each direction. Headers pass untouched, Host
 * included, so signatures hold. Plain HTTP/1.1 with persistent connections.
 *
 * One thread, edge-triggered epoll. Whatever wakes a connection (an event, its own
 * timer), conn_run() tries everything that is possible until each lane is blocked by
 * an empty source, a full sink, the request's delay, or its pace. Bodies move by
 * splice() and are never seen by this process; heads and chunked bodies go through
 * the connection's buffer.
 *
 *     upstream:  HEAD -> DELAY -> SENDING -> BODY | CHUNKED (-> SENDING) -> HEAD
 *     downstream: bytes, until the server closes
 *
 * The end of either side ends the connection once what the server sent is delivered.
 * A connection to the control port is answered with the counters as one JSON object. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lane.h"
#include "request.h"

#define HEAD_CAP ((size_t)64 << 10)
#define EVENTS 128

enum up_state { HEAD, DELAY, SENDING, BODY, CHUNKED };

struct conn {
  struct conn *next;
  int client;
  int server;
  bool ended;
  uint64_t wake_ns;
  struct lane up;
  struct lane down;
  enum up_state at;
  enum up_state after; /* of SENDING */
  uint64_t due_ns;     /* of DELAY */
  uint64_t body_left;
  struct request request;
  size_t head_len;
  struct chunks chunks;
  size_t have;
  size_t to_send;
  size_t sent;
  char buffer[HEAD_CAP];
};

struct counters {
  uint64_t requests[REQUEST_KINDS];
  uint64_t connections;
  uint64_t open;
  uint64_t open_peak;
  uint64_t up;
  uint64_t down;
};

static struct {
  struct sockaddr_storage upstream;
  socklen_t upstream_len;
  uint64_t delay_ns;
  uint64_t rate;
  int epoll;
  uint64_t now;
  struct conn *conns;
  struct counters n;
} relay;

static volatile sig_atomic_t stop;

static void on_signal(int sig) {
  (void)sig;
  stop = 1;
}

static void fail(const char *what) {
  fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t clock_ns(void) {
  struct timespec ts;

  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void wake_at(struct conn *c, uint64_t ns) {
  if (ns < c->wake_ns)
    c->wake_ns = ns;
}

static struct lane_pace pace(struct conn *c) {
  return (struct lane_pace){.rate = relay.rate, .now_ns = relay.now, .wake_ns = &c->wake_ns};
}

/* --- upstream --------------------------------------------------------------------------------- */

/* 0 when something was read. */
static int take(struct conn *c) {
  ssize_t n = recv(c->client, c->buffer + c->have, sizeof(c->buffer) - c->have, MSG_DONTWAIT);

  if (n <= 0)
    return n < 0 ? -errno : -EPIPE;
  c->have += (size_t)n;
  return 0;
}

static int up_head(struct conn *c) {
  int rc;

  c->head_len = request_head_length(c->buffer, c->have);
  if (c->head_len == 0)
    return c->have < sizeof(c->buffer) ? take(c) : -EPROTO;
  rc = request_parse(c->buffer, c->head_len, &c->request);
  if (rc != 0)
    return rc;
  relay.n.requests[c->request.kind]++;
  chunks_init(&c->chunks);
  c->due_ns = relay.now + relay.delay_ns;
  c->at = DELAY;
  return 0;
}

/* Which bytes of the buffer may go, and what comes after them. */
static int release_chunked(struct conn *c, size_t from) {
  size_t used;
  bool done;
  int rc = chunks_feed(&c->chunks, c->buffer + from, c->have - from, &used, &done);

  c->to_send = from + used;
  c->after = done ? HEAD : CHUNKED;
  c->at = SENDING;
  return rc;
}

static int up_delay(struct conn *c) {
  size_t more = c->have - c->head_len;

  if (relay.now < c->due_ns) {
    wake_at(c, c->due_ns);
    return -EAGAIN;
  }
  if (c->request.chunked)
    return release_chunked(c, c->head_len);
  if (more > c->request.length)
    more = (size_t)c->request.length;
  c->body_left = c->request.length - more;
  c->to_send = c->head_len + more;
  c->after = c->body_left > 0 ? BODY : HEAD;
  c->at = SENDING;
  return 0;
}

static int up_sending(struct conn *c) {
  while (c->sent < c->to_send) {
    ssize_t n =
        send(c->server, c->buffer + c->sent, c->to_send - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0)
      return -errno;
    c->sent += (size_t)n;
    relay.n.up += (uint64_t)n;
  }
  memmove(c->buffer, c->buffer + c->to_send, c->have - c->to_send);
  c->have -= c->to_send;
  c->sent = c->to_send = 0;
  c->at = c->after;
  return 0;
}

static int up_body(struct conn *c) {
  int rc = lane_move(&c->up, c->client, c->server, &c->body_left, &relay.n.up, pace(c));

  if (rc == 0)
    c->at = HEAD;
  return rc;
}

static int up_chunked(struct conn *c) {
  int rc = c->have == 0 ? take(c) : 0;

  return rc == 0 ? release_chunked(c, 0) : rc;
}

static int run_up(struct conn *c) {
  static int (*const steps[])(struct conn *) = {[HEAD] = up_head,
                                                [DELAY] = up_delay,
                                                [SENDING] = up_sending,
                                                [BODY] = up_body,
                                                [CHUNKED] = up_chunked};
  int rc = 0;

  while (rc == 0)
    rc = steps[c->at](c);
  return rc;
}

static int run_down(struct conn *c) {
  uint64_t all = UINT64_MAX;

  return lane_move(&c->down, c->server, c->client, &all, &relay.n.down, pace(c));
}

static void conn_run(struct conn *c) {
  int up;
  int down;

  if (c->ended)
    return;
  c->wake_ns = LANE_NEVER;
  up = run_up(c);
  down = run_down(c);
  c->ended = down != -EAGAIN || up != -EAGAIN;
}

/* --- connections ------------------------------------------------------------------------------ */

static void tune(int fd) {
  int one = 1;

  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void watch(int fd, uint32_t events, void *what) {
  struct epoll_event e = {.events = events, .data.ptr = what};

  if (epoll_ctl(relay.epoll, EPOLL_CTL_ADD, fd, &e) != 0)
    fail("epoll");
}

static void conn_new(int client) {
  struct conn *c = calloc(1, sizeof(*c));

  if (c == NULL || lane_open(&c->up) != 0 || lane_open(&c->down) != 0)
    fail("new connection");
  c->client = client;
  c->server = socket(relay.upstream.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->server < 0)
    fail("socket");
  tune(c->client);
  tune(c->server);
  if (connect(c->server, (struct sockaddr *)&relay.upstream, relay.upstream_len) != 0 &&
      errno != EINPROGRESS)
    c->ended = true;
  watch(c->client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c);
  watch(c->server, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c);
  c->wake_ns = LANE_NEVER;
  c->next = relay.conns;
  relay.conns = c;
  relay.n.connections++;
  if (++relay.n.open > relay.n.open_peak)
    relay.n.open_peak = relay.n.open;
}

static void conn_free(struct conn *c) {
  close(c->client);
  close(c->server);
  lane_close(&c->up);
  lane_close(&c->down);
  relay.n.open--;
  free(c);
}

/* Frees what ended; the earliest wake-up of the rest. */
static uint64_t sweep(void) {
  uint64_t wake = LANE_NEVER;

  for (struct conn **at = &relay.conns; *at != NULL;) {
    struct conn *c = *at;

    if (c->ended) {
      *at = c->next;
      conn_free(c);
      continue;
    }
    if (c->wake_ns < wake)
      wake = c->wake_ns;
    at = &c->next;
  }
  return wake;
}

static void run_due(void) {
  for (struct conn *c = relay.conns; c != NULL; c = c->next)
    if (c->wake_ns <= relay.now)
      conn_run(c);
}

/* --- control ---------------------------------------------------------------------------------- */

static void answer_counters(int fd) {
  char text[1024];
  int n = 0;

  n += snprintf(text + n, sizeof(text) - (size_t)n, "{\"requests\": {");
  for (int i = 0; i < REQUEST_KINDS; i++)
    n += snprintf(text + n, sizeof(text) - (size_t)n, "%s\"%s\": %llu", i > 0 ? ", " : "",
                  request_kind_name((enum request_kind)i), (unsigned long long)relay.n.requests[i]);
  n += snprintf(text + n, sizeof(text) - (size_t)n,
                "}, \"connections\": %llu, \"open\": %llu, \"open-peak\": %llu, \"up\": %llu, "
                "\"down\": %llu}\n",
                (unsigned long long)relay.n.connections, (unsigned long long)relay.n.open,
                (unsigned long long)relay.n.open_peak, (unsigned long long)relay.n.up,
                (unsigned long long)relay.n.down);
  if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
    fprintf(stderr, "relay: the counters' reader went away\n");
  close(fd);
}

/* --- sockets and arguments -------------------------------------------------------------------- */

/* Marks in epoll's data what is no connection. */
static int listeners[2] = {-1, -1};
static int control = -1;

static int listen_on(int family, uint16_t port) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;

  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  v6.sin6_addr = in6addr_loopback;
  if (fd < 0)
    return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(fd, family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
           family == AF_INET ? sizeof(v4) : sizeof(v6)) != 0 ||
      listen(fd, 1024) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

static uint16_t port_of(int fd) {
  struct sockaddr_in v4;
  socklen_t len = sizeof(v4);

  if (getsockname(fd, (struct sockaddr *)&v4, &len) != 0)
    fail("getsockname");
  return ntohs(v4.sin_port);
}

static void open_listeners(uint16_t port, const char *ready_file) {
  listeners[0] = listen_on(AF_INET, port);
  if (listeners[0] < 0 || (control = listen_on(AF_INET, 0)) < 0)
    fail("listen");
  port = port_of(listeners[0]);
  listeners[1] = listen_on(AF_INET6, port); /* a machine without IPv6 does without */
  watch(listeners[0], EPOLLIN, &listeners[0]);
  if (listeners[1] >= 0)
    watch(listeners[1], EPOLLIN, &listeners[1]);
  watch(control, EPOLLIN, &control);
  if (ready_file != NULL) {
    FILE *f = fopen(ready_file, "w");

    if (f == NULL || fprintf(f, "{\"port\": %u, \"control\": %u}\n", port, port_of(control)) < 0 ||
        fclose(f) != 0)
      fail(ready_file);
  }
}

static void accept_all(int listener) {
  int fd;

  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    if (listener == control)
      answer_counters(fd);
    else
      conn_new(fd);
  }
}

static void resolve(char *where) {
  char *colon = strrchr(where, ':');
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *found;

  if (colon == NULL) {
    fprintf(stderr, "relay: --upstream takes HOST:PORT\n");
    exit(2);
  }
  *colon = '\0';
  if (getaddrinfo(where, colon + 1, &hints, &found) != 0) {
    fprintf(stderr, "relay: no address for %s\n", where);
    exit(1);
  }
  memcpy(&relay.upstream, found->ai_addr, found->ai_addrlen);
  relay.upstream_len = found->ai_addrlen;
  freeaddrinfo(found);
}

static void parse_arguments(int argc, char **argv) {
  static const struct option known[] = {
      {"upstream", required_argument, NULL, 'u'},   {"delay-ms", required_argument, NULL, 'd'},
      {"rate", required_argument, NULL, 'r'},       {"port", required_argument, NULL, 'p'},
      {"ready-file", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
  const char *ready_file = NULL;
  uint16_t port = 0;
  int o;

  while ((o = getopt_long(argc, argv, "", known, NULL)) != -1) {
    if (o == 'u')
      resolve(optarg);
    else if (o == 'd')
      relay.delay_ns = strtoull(optarg, NULL, 10) * 1000000U;
    else if (o == 'r')
      relay.rate = strtoull(optarg, NULL, 10);
    else if (o == 'p')
      port = (uint16_t)strtoul(optarg, NULL, 10);
    else if (o == 'f')
      ready_file = optarg;
    else
      exit(2);
  }
  if (relay.upstream_len == 0) {
    fprintf(stderr, "relay: --upstream HOST:PORT is missing\n");
    exit(2);
  }
  open_listeners(port, ready_file);
}

static void loop(void) {
  struct epoll_event events[EVENTS];
  uint64_t wake = LANE_NEVER;

  while (!stop) {
    uint64_t wait = wake > relay.now ? wake - relay.now : 0;
    struct timespec ts = {.tv_sec = (time_t)(wait / 1000000000U),
                          .tv_nsec = (long)(wait % 1000000000U)};
    int n = epoll_pwait2(relay.epoll, events, EVENTS, wake == LANE_NEVER ? NULL : &ts, NULL);

    if (n < 0 && errno != EINTR)
      fail("epoll");
    relay.now = clock_ns();
    for (int i = 0; i < n; i++) {
      void *what = events[i].data.ptr;

      if (what == &listeners[0] || what == &listeners[1] || what == &control)
        accept_all(*(int *)what);
      else
        conn_run(what);
    }
    run_due();
    wake = sweep();
  }
}

int main(int argc, char **argv) {
  struct sigaction act = {.sa_handler = on_signal};

  /* A wire does not wait for processor time; without root it has to. */
  if (setpriority(PRIO_PROCESS, 0, -10) != 0 && errno != EACCES && errno != EPERM)
    fail("priority");
  if (prctl(PR_SET_TIMERSLACK, 1UL) != 0)
    fail("timer slack");
  signal(SIGPIPE, SIG_IGN);
  sigaction(SIGTERM, &act, NULL);
  sigaction(SIGINT, &act, NULL);
  relay.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (relay.epoll < 0)
    fail("epoll");
  relay.now = clock_ns();
  parse_arguments(argc, argv);
  loop();
  return 0;
}
