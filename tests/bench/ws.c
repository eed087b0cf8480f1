#include "tests/bench/ws.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/sample.h"

enum { READ_ROOM = 4 << 20, OPCODE_CONTINUATION = 0, OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9 };

static const char event_mark[] = "{\"event\":\"";

static void send_all(struct ws *w, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len > 0) {
		ssize_t n = send(w->fd, p, len, MSG_NOSIGNAL);

		if (n < 0)
			die("send");
		p += n;
		len -= (size_t)n;
	}
}

/* Have at least `need` bytes from `at` on. */
static void fill(struct ws *w, size_t need)
{
	if (need > w->room) {
		errno = EMSGSIZE;
		die("a frame");
	}
	if (w->room - w->at < need) {
		memmove(w->bytes, w->bytes + w->at, w->end - w->at);
		w->end -= w->at;
		w->at = 0;
	}
	while (w->end - w->at < need) {
		ssize_t n = recv(w->fd, w->bytes + w->end, w->room - w->end, 0);

		if (n <= 0) {
			errno = n == 0 ? ECONNRESET : errno;
			die("the server is gone");
		}
		w->end += (size_t)n;
	}
}

static void handshake(struct ws *w, unsigned port)
{
	char request[256], *end;
	int len = snprintf(
		request, sizeof(request),
		"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: d2FrZWxpbmUgYmVuY2g=\r\n\r\n",
		port);

	send_all(w, request, (size_t)len);
	for (;;) {
		fill(w, w->end - w->at + 1);
		end = memmem(w->bytes, w->end, "\r\n\r\n", 4);
		if (end != NULL)
			break;
	}
	if (memcmp(w->bytes, "HTTP/1.1 101", 12) != 0) {
		errno = EPROTO;
		die("the server opens no WebSocket");
	}
	w->at = (size_t)(end + 4 - w->bytes);
}

void ws_open(struct ws *w, unsigned port, const char *token)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	char hello[256];
	int on = 1;

	*w = (struct ws){.room = READ_ROOM, .bytes = malloc(READ_ROOM)};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	w->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (w->bytes == NULL || w->fd < 0 ||
	    connect(w->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("connect");
	setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	handshake(w, port);
	snprintf(hello, sizeof(hello), "{\"type\":\"hello\",\"token\":\"%s\",\"client\":\"bench\"}", token);
	ws_send(w, hello);
	ws_await(w, "\"type\":\"welcome\"");
}

/* Client frames are masked; a mask of zeros leaves the bytes as they are. */
void ws_send(struct ws *w, const char *text)
{
	size_t len = strlen(text);
	unsigned char head[8] = {0x80 | OPCODE_TEXT};
	size_t head_len = 2;

	if (len < 126) {
		head[1] = (unsigned char)(0x80 | len);
	} else {
		head[1] = 0x80 | 126;
		head[2] = (unsigned char)(len >> 8);
		head[3] = (unsigned char)len;
		head_len = 4;
	}
	send_all(w, head, head_len + 4);
	send_all(w, text, len);
}

/* One frame: its payload lies in w->bytes until the next fill(). */
static const char *next_frame(struct ws *w, unsigned *opcode, int *final, size_t *len)
{
	const unsigned char *head;
	size_t head_len = 2, n;

	fill(w, 2);
	head = (const unsigned char *)w->bytes + w->at;
	n = head[1] & 0x7f;
	if (n >= 126) {
		size_t wide = n == 126 ? 2 : 8;

		fill(w, 2 + wide);
		head = (const unsigned char *)w->bytes + w->at;
		head_len += wide;
		n = 0;
		for (size_t i = 0; i < wide; i++)
			n = n << 8 | head[2 + i];
	}
	*opcode = head[0] & 0x0f;
	*final = head[0] & 0x80;
	*len = n;
	fill(w, head_len + n);
	w->at += head_len + n;
	return w->bytes + w->at - n;
}

static void join(struct ws *w, size_t joined, const char *payload, size_t len)
{
	if (joined + len > w->joined_room) {
		w->joined_room = 2 * (joined + len);
		w->joined = realloc(w->joined, w->joined_room);
		if (w->joined == NULL)
			die("realloc");
	}
	memcpy(w->joined + joined, payload, len);
}

const char *ws_receive(struct ws *w, size_t *len)
{
	static const unsigned char pong[6] = {0x8a, 0x80};
	size_t joined = 0;

	for (;;) {
		unsigned opcode;
		int final;
		const char *payload = next_frame(w, &opcode, &final, len);

		if (opcode == OPCODE_CLOSE) {
			errno = ECONNRESET;
			die("the server has closed");
		}
		if (opcode == OPCODE_PING)
			send_all(w, pong, sizeof(pong));
		if (opcode != OPCODE_TEXT && opcode != OPCODE_CONTINUATION)
			continue;
		if (opcode == OPCODE_TEXT && final)
			return payload;
		join(w, joined, payload, *len);
		joined += *len;
		if (final) {
			*len = joined;
			return w->joined;
		}
	}
}

void ws_await(struct ws *w, const char *word)
{
	const char *message;
	size_t len;

	do {
		message = ws_receive(w, &len);
		if (memmem(message, len, "\"type\":\"error\"", 14) != NULL) {
			fprintf(stderr, "the server refuses: %.*s\n", (int)len, message);
			exit(1);
		}
	} while (memmem(message, len, word, strlen(word)) == NULL);
}

void ws_close(struct ws *w)
{
	close(w->fd);
	free(w->bytes);
	free(w->joined);
}

/* Inside a JSON string every quote is escaped, so the mark occurs nowhere but at the beginning of an item. */
void ws_each_item(const char *message, size_t len,
		  void (*on_item)(void *context, const char *item, size_t len), void *context)
{
	const char *end = message + len;
	const char *item = memmem(message, len, event_mark, sizeof(event_mark) - 1);

	while (item != NULL) {
		const char *next =
			memmem(item + 1, (size_t)(end - item - 1), event_mark, sizeof(event_mark) - 1);

		on_item(context, item, (size_t)((next != NULL ? next : end) - item));
		item = next;
	}
}
