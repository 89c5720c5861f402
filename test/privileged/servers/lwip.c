/*
 * A server on lwIP's TCP, behind a tap device, that says what was recorded: it writes what each client sent
 * to a file of the folder, named by the client's address and port, and goes on with the first session that
 * began with just those octets. The listener's `on_accept` and the callbacks after it are lwIP's raw API.
 *
 *   lwip TAP ADDRESS NETMASK PORT TALKS FOLDER      (needs the tap device to be up already)
 *
 * TALKS: rows of a letter, a length (32 bits, in the machine's order) and so many octets: C what a client says,
 * S what the server says then, E the server ends its stream, N the next session.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/ip4_addr.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>

#define STREAM_MAX (1 << 17)
#define MTU 1500
#define FRAME_MAX (MTU + 14)

static const char *folder;
static u16_t port;
static char *talks;
static size_t talks_bytes;
static const char *device;
static int tap_fd;
static struct netif tap;

static void must(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(1);
}

struct conversation {
  FILE *file;
  /* All that the client has said. */
  char stream[STREAM_MAX];
  size_t stream_bytes;
  /* Which session it is, as a place in the talks; how many of its rows are done, and octets of the next one. */
  size_t session;
  unsigned rows;
  size_t row_bytes;
};

struct row {
  char kind;
  uint32_t bytes;
  const char *octets;
};

/* The row at a place, which moves on behind it; at the end of all an N. */
static struct row row_at(size_t *at) {
  struct row row = {.kind = 'N'};
  if (*at == talks_bytes) return row;
  row.kind = talks[*at];
  memcpy(&row.bytes, talks + *at + 1, sizeof row.bytes);
  row.octets = talks + *at + 1 + sizeof row.bytes;
  *at += 1 + sizeof row.bytes + row.bytes;
  return row;
}

/* Whether the client of this session began with these octets. `at` moves on to the next one. */
static int begins_with(size_t *at, const char *stream, size_t bytes) {
  size_t same = 0;
  int is_same = 1;
  for (struct row row = row_at(at); row.kind != 'N'; row = row_at(at)) {
    if (row.kind != 'C' || same == bytes) continue;
    size_t count = bytes - same < row.bytes ? bytes - same : row.bytes;
    if (memcmp(stream + same, row.octets, count) != 0) is_same = 0;
    same += count;
  }
  return is_same && same == bytes;
}

/* Returns what a callback has to return then. */
static err_t end(struct tcp_pcb *pcb, struct conversation *one) {
  tcp_arg(pcb, NULL);
  tcp_recv(pcb, NULL);
  tcp_sent(pcb, NULL);
  tcp_poll(pcb, NULL, 0);
  tcp_err(pcb, NULL);
  if (one != NULL) {
    fclose(one->file);
    free(one);
  }
  if (tcp_close(pcb) == ERR_OK) return ERR_OK;
  tcp_abort(pcb);
  return ERR_ABRT;
}

/* Says what is due by what the client has said, as far as there is room. */
static err_t go_on(struct tcp_pcb *pcb, struct conversation *one) {
  size_t at = one->session;
  size_t heard = 0;
  for (unsigned i = 0;; i++) {
    struct row row = row_at(&at);
    if (row.kind == 'C') heard += row.bytes;
    if (i < one->rows) continue;
    if (row.kind == 'N' || heard > one->stream_bytes) break;
    if (row.kind == 'E') return end(pcb, one);
    if (row.kind == 'S') {
      size_t left = row.bytes - one->row_bytes;
      size_t bytes = left < tcp_sndbuf(pcb) ? left : tcp_sndbuf(pcb);
      /* The queue may have no room for it: it is tried again. */
      if (bytes > 0 && tcp_write(pcb, row.octets + one->row_bytes, bytes, 0) != ERR_OK) break;
      one->row_bytes += bytes;
      if (bytes < left) break;
    }
    one->row_bytes = 0;
    one->rows = i + 1;
  }
  tcp_output(pcb);
  return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t bytes) {
  (void)bytes;
  return go_on(pcb, arg);
}

static void on_error(void *arg, err_t error) {
  struct conversation *one = arg;
  if (one == NULL) return;
  fprintf(stderr, "connection lost: %d\n", error);
  fclose(one->file);
  free(one);
}

/* Twice a second: where nothing was under way there is no acknowledgement to go on by. */
static err_t on_poll(void *arg, struct tcp_pcb *pcb) {
  return go_on(pcb, arg);
}

static err_t on_data(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t error) {
  struct conversation *one = arg;
  (void)error;
  if (data == NULL) {
    return end(pcb, one);
  }
  if (data->tot_len > STREAM_MAX - one->stream_bytes) {
    fprintf(stderr, "a client says too much\n");
    exit(1);
  }
  char *octets = one->stream + one->stream_bytes;
  one->stream_bytes += pbuf_copy_partial(data, octets, data->tot_len, 0);
  fwrite(octets, 1, data->tot_len, one->file);
  fflush(one->file);
  tcp_recved(pcb, data->tot_len);
  pbuf_free(data);
  size_t next = one->session;
  while (!begins_with(&next, one->stream, one->stream_bytes)) {
    one->session = next;
    if (next < talks_bytes) continue;
    fprintf(stderr, "nobody has said that\n");
    exit(1);
  }
  return go_on(pcb, one);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t error) {
  (void)arg;
  if (error != ERR_OK || pcb == NULL) return ERR_VAL;
  struct conversation *one = calloc(1, sizeof *one);
  char name[512];
  snprintf(name, sizeof name, "%s/%s-%u", folder, ipaddr_ntoa(&pcb->remote_ip), pcb->remote_port);
  one->file = fopen(name, "a");
  must(one->file != NULL, name);
  tcp_arg(pcb, one);
  tcp_recv(pcb, on_data);
  tcp_sent(pcb, on_sent);
  tcp_poll(pcb, on_poll, 1);
  tcp_err(pcb, on_error);
  return go_on(pcb, one);
}

/* The driver of the tap device. lwIP's own (tapif) writes past its pool's buffers in Debian's build. */
static err_t on_output(struct netif *netif, struct pbuf *frame) {
  char octets[FRAME_MAX];
  (void)netif;
  u16_t bytes = pbuf_copy_partial(frame, octets, FRAME_MAX, 0);
  return write(tap_fd, octets, bytes) == bytes ? ERR_OK : ERR_IF;
}

static void read_frames(void *arg) {
  char octets[FRAME_MAX];
  (void)arg;
  for (;;) {
    ssize_t bytes = read(tap_fd, octets, FRAME_MAX);
    must(bytes > 0, device);
    struct pbuf *frame = pbuf_alloc(PBUF_RAW, bytes, PBUF_RAM);
    must(frame != NULL, "pbuf_alloc");
    pbuf_take(frame, octets, bytes);
    if (tap.input(frame, &tap) != ERR_OK) pbuf_free(frame);
  }
}

static err_t on_tap(struct netif *netif) {
  static const unsigned char mac[ETH_HWADDR_LEN] = {2, 0x6c, 0x77, 0x69, 0x70, 1};
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  tap_fd = open("/dev/net/tun", O_RDWR);
  must(tap_fd >= 0 && ioctl(tap_fd, TUNSETIFF, &request) == 0, device);
  netif->name[0] = 't';
  netif->name[1] = 'p';
  netif->mtu = MTU;
  netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
  netif->hwaddr_len = ETH_HWADDR_LEN;
  memcpy(netif->hwaddr, mac, sizeof mac);
  netif->output = etharp_output;
  netif->linkoutput = on_output;
  sys_thread_new("tap", read_frames, NULL, DEFAULT_THREAD_STACKSIZE, DEFAULT_THREAD_PRIO);
  return ERR_OK;
}

struct start {
  const char *address;
  const char *netmask;
};

static void start(void *arg) {
  const struct start *start = arg;
  ip4_addr_t address, netmask, gateway;
  ip4addr_aton(start->address, &address);
  ip4addr_aton(start->netmask, &netmask);
  ip4_addr_set_zero(&gateway);
  netif_add(&tap, &address, &netmask, &gateway, NULL, on_tap, tcpip_input);
  netif_set_default(&tap);
  netif_set_up(&tap);
  netif_set_link_up(&tap);
  struct tcp_pcb *listener = tcp_new();
  must(tcp_bind(listener, IP_ADDR_ANY, port) == ERR_OK, "tcp_bind");
  listener = tcp_listen_with_backlog(listener, 255);
  tcp_accept(listener, on_accept);
  printf("ready\n");
  fflush(stdout);
}

static void read_talks(const char *path) {
  FILE *file = fopen(path, "r");
  must(file != NULL && fseek(file, 0, SEEK_END) == 0, path);
  talks_bytes = ftell(file);
  talks = malloc(talks_bytes);
  rewind(file);
  must(talks != NULL && fread(talks, 1, talks_bytes, file) == talks_bytes, path);
  fclose(file);
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "lwip TAP ADDRESS NETMASK PORT TALKS FOLDER\n");
    return 2;
  }
  static struct start with;
  with.address = argv[2];
  with.netmask = argv[3];
  port = atoi(argv[4]);
  read_talks(argv[5]);
  folder = argv[6];
  device = argv[1];
  tcpip_init(start, &with);
  for (;;) pause();
}
