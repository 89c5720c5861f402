/*
 * A web server on lwIP's TCP, behind a tap device: it writes what each client sent to a file of the
 * folder, named by the client's address and port, and answers every request with a few octets. The
 * listener's `on_accept` and the callbacks after it are lwIP's raw API.
 *
 *   lwip TAP ADDRESS NETMASK FOLDER      (needs the tap device to be up already)
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/ip4_addr.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>

#define PORT 80
#define HEAD_MAX 4096
#define MTU 1500
#define FRAME_MAX (MTU + 14)

static const char *folder;
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
  /* The head of the request that is coming in, and the octets of its body that are still to come. */
  char head[HEAD_MAX];
  size_t head_bytes;
  unsigned long body_bytes;
  int is_last;
};

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nlwip!\n";

/* Returns what a callback has to return then. */
static err_t end(struct tcp_pcb *pcb, struct conversation *one) {
  tcp_arg(pcb, NULL);
  tcp_recv(pcb, NULL);
  tcp_err(pcb, NULL);
  if (one != NULL) {
    fclose(one->file);
    free(one);
  }
  if (tcp_close(pcb) == ERR_OK) return ERR_OK;
  tcp_abort(pcb);
  return ERR_ABRT;
}

static void on_error(void *arg, err_t error) {
  struct conversation *one = arg;
  if (one == NULL) return;
  fprintf(stderr, "connection lost: %d\n", error);
  fclose(one->file);
  free(one);
}

/* A header's value, or NULL. */
static const char *header(const char *head, const char *name) {
  const char *line = strstr(head, "\r\n");
  for (; line != NULL; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, strlen(name)) == 0) return line + 2 + strlen(name);
  }
  return NULL;
}

/* One octet of the stream. Returns whether a request ends with it. */
static int takes(struct conversation *one, char octet) {
  if (one->body_bytes > 0) {
    return --one->body_bytes == 0;
  }
  if (one->head_bytes == HEAD_MAX - 1) {
    fprintf(stderr, "a head is too long\n");
    exit(1);
  }
  one->head[one->head_bytes++] = octet;
  one->head[one->head_bytes] = 0;
  if (one->head_bytes < 4 || memcmp(one->head + one->head_bytes - 4, "\r\n\r\n", 4) != 0) return 0;
  const char *length = header(one->head, "content-length:");
  const char *connection = header(one->head, "connection:");
  one->is_last = connection != NULL && strncasecmp(connection, " close", 6) == 0;
  one->head_bytes = 0;
  one->body_bytes = length == NULL ? 0 : strtoul(length, NULL, 10);
  return one->body_bytes == 0;
}

static err_t on_data(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t error) {
  struct conversation *one = arg;
  (void)error;
  if (data == NULL) {
    return end(pcb, one);
  }
  for (struct pbuf *part = data; part != NULL; part = part->next) {
    fwrite(part->payload, 1, part->len, one->file);
    for (u16_t at = 0; at < part->len; at++) {
      if (takes(one, ((char *)part->payload)[at])) {
        if (tcp_write(pcb, ANSWER, sizeof ANSWER - 1, TCP_WRITE_FLAG_COPY) != ERR_OK) {
          fprintf(stderr, "no room for an answer\n");
        }
      }
    }
  }
  fflush(one->file);
  tcp_recved(pcb, data->tot_len);
  pbuf_free(data);
  tcp_output(pcb);
  return one->is_last && one->body_bytes == 0 ? end(pcb, one) : ERR_OK;
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
  tcp_err(pcb, on_error);
  return ERR_OK;
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
  must(tcp_bind(listener, IP_ADDR_ANY, PORT) == ERR_OK, "tcp_bind");
  listener = tcp_listen_with_backlog(listener, 255);
  tcp_accept(listener, on_accept);
  printf("ready\n");
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "lwip TAP ADDRESS NETMASK FOLDER\n");
    return 2;
  }
  static struct start with;
  with.address = argv[2];
  with.netmask = argv[3];
  folder = argv[4];
  device = argv[1];
  tcpip_init(start, &with);
  for (;;) pause();
}
