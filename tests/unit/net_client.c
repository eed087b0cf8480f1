#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "net_fake.h"

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct net_client *c = poll->data;

	(void)status;
	(void)events;
	c->readable = true;
	uv_poll_stop(poll);
}

static void fill(struct net_client *c)
{
	c->readable = false;
	for (;;) {
		ssize_t n;

		if (c->room - c->len < 65536) {
			c->room = c->room * 2 + 65536;
			c->in = realloc(c->in, c->room);
			assert_non_null(c->in);
		}
		n = recv(c->fd, c->in + c->len, c->room - c->len, MSG_DONTWAIT);
		if (n > 0) {
			c->len += (size_t)n;
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			c->ended = true;
		break;
	}
	if (!c->ended)
		uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

static struct net_client *client_new(struct net_fixture *f, int fd)
{
	struct net_client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->fixture = f;
	c->fd = fd;
	assert_int_equal(uv_poll_init(&f->loop, &c->poll, fd), 0);
	c->poll.data = c;
	uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, on_readable);
	return c;
}

struct net_client *net_connect(struct net_fixture *f)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(server_port(f->server)),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return client_new(f, fd);
}

struct net_client *net_connect_control(struct net_fixture *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", f->directory);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return client_new(f, fd);
}

static void on_closed(uv_handle_t *handle)
{
	struct net_client *c = handle->data;

	close(c->fd);
	free(c->in);
	free(c->message);
	free(c);
}

void net_client_free(struct net_client *c)
{
	shutdown(c->fd, SHUT_RDWR);
	uv_close((uv_handle_t *)&c->poll, on_closed);
}

void net_send_raw(struct net_client *c, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = send(c->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			uv_run(&c->fixture->loop, UV_RUN_NOWAIT);
			continue;
		}
		if (n < 0)
			return; /* the server has closed: what it said is what the test looks at */
		at += n;
		len -= (size_t)n;
	}
}

void net_send_frame(struct net_client *c, uint8_t first, const void *payload, size_t len)
{
	static const uint8_t mask[4] = {1, 2, 3, 4};
	uint8_t *frame = malloc(len + 14);
	size_t n = 0;

	frame[n++] = first;
	if (len < 126) {
		frame[n++] = (uint8_t)(0x80 | len);
	} else if (len < 65536) {
		frame[n++] = 0x80 | 126;
		frame[n++] = (uint8_t)(len >> 8);
		frame[n++] = (uint8_t)len;
	} else {
		frame[n++] = 0x80 | 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			frame[n++] = (uint8_t)((uint64_t)len >> shift);
	}
	memcpy(frame + n, mask, 4);
	n += 4;
	for (size_t i = 0; i < len; i++)
		frame[n + i] = ((const uint8_t *)payload)[i] ^ mask[i % 4];
	net_send_raw(c, frame, n + len);
	free(frame);
}

void net_send(struct net_client *c, const char *text)
{
	net_send_frame(c, 0x81, text, strlen(text));
}

static void consume(struct net_client *c, size_t n)
{
	memmove(c->in, c->in + n, c->len - n);
	c->len -= n;
}

/* Wait for the end of the head; NULL when the connection ends before. */
static char *read_head(struct net_client *c)
{
	for (;;) {
		char *end = c->len > 0 ? memmem(c->in, c->len, "\r\n\r\n", 4) : NULL;

		if (end != NULL) {
			size_t len = (size_t)(end - c->in) + 4;
			char *head = strndup(c->in, len);

			consume(c, len);
			return head;
		}
		if (c->ended)
			return NULL;
		net_turn(c->fixture);
		if (c->readable)
			fill(c);
	}
}

struct net_client *net_websocket(struct net_fixture *f, const char *headers)
{
	struct net_client *c = net_connect(f);
	char request[2048];
	char *head;

	snprintf(request, sizeof(request),
		 "GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
		 headers != NULL ? headers : "");
	net_send_raw(c, request, strlen(request));
	head = read_head(c);
	assert_non_null(head);
	assert_int_equal(strncmp(head, "HTTP/1.1 101", 12), 0);
	c->upgraded = true;
	free(head);
	return c;
}

/* Take one frame out of `in`; false: not whole yet.  A finished text message is left in c->message. */
static bool take_frame(struct net_client *c, bool *message)
{
	uint8_t *b = (uint8_t *)c->in;
	size_t head = 2, len;

	*message = false;
	if (c->len < 2)
		return false;
	assert_int_equal(b[1] & 0x80, 0); /* servers do not mask */
	len = b[1] & 0x7f;
	head += len == 126 ? 2 : len == 127 ? 8 : 0;
	if (c->len < head)
		return false;
	if (len >= 126) {
		size_t bytes = head - 2;

		len = 0;
		for (size_t i = 0; i < bytes; i++)
			len = len << 8 | b[2 + i];
	}
	if (c->len < head + len)
		return false;
	if ((b[0] & 0x0f) == 8) {
		c->close_code = len >= 2 ? b[head] << 8 | b[head + 1] : 1005;
		net_send_frame(c, 0x88, b + head, len >= 2 ? 2 : 0);
	} else if ((b[0] & 0x0f) <= 1) {
		assert_int_equal(b[0] & 0x0f, c->fragments == 0 ? 1 : 0);
		c->message = realloc(c->message, c->message_len + len + 1);
		memcpy(c->message + c->message_len, b + head, len);
		c->message_len += len;
		c->fragments = (b[0] & 0x80) != 0 ? 0 : c->fragments + 1;
		*message = (b[0] & 0x80) != 0;
	}
	consume(c, head + len);
	return true;
}

json_t *net_try(struct net_client *c)
{
	bool message;

	if (c->readable && !c->paused)
		fill(c);
	while (take_frame(c, &message)) {
		json_error_t error;
		json_t *json;

		if (!message)
			continue;
		json = json_loadb(c->message, c->message_len, 0, &error);
		if (json == NULL)
			fail_msg("not JSON: %s: %.*s", error.text, (int)c->message_len, c->message);
		c->message_len = 0;
		return json;
	}
	return NULL;
}

json_t *net_next(struct net_client *c)
{
	for (;;) {
		json_t *json = net_try(c);

		if (json != NULL)
			return json;
		if (c->ended || c->close_code != 0)
			fail_msg("the connection has ended (close code %d)", c->close_code);
		net_turn(c->fixture);
	}
}

const char *net_field(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value != NULL ? value : "";
}

json_t *net_expect(struct net_client *c, const char *type)
{
	json_t *json = net_next(c);

	if (strcmp(net_field(json, "type"), type) != 0)
		fail_msg("expected %s, got %s", type, json_dumps(json, 0));
	return json;
}

void net_expect_error(struct net_client *c, const char *code)
{
	json_t *json = net_expect(c, "error");

	assert_string_equal(net_field(json, "code"), code);
	assert_true(net_field(json, "message")[0] != '\0');
	json_decref(json);
}

int net_expect_closed(struct net_client *c)
{
	while (!c->ended) {
		json_t *json = net_try(c);

		if (json != NULL)
			json_decref(json);
		else if (!c->ended)
			net_turn(c->fixture);
	}
	return c->close_code;
}

int net_http(struct net_client *c, const char *request, char **head_out, json_t **body)
{
	char *head, *field;
	size_t len = 0;
	int status;

	net_send_raw(c, request, strlen(request));
	head = read_head(c);
	if (head == NULL)
		return -1;
	assert_int_equal(sscanf(head, "HTTP/1.1 %d", &status), 1);
	field = strstr(head, "Content-Length: ");
	if (field != NULL && strncmp(request, "HEAD", 4) != 0)
		len = strtoul(field + 16, NULL, 10);
	while (c->len < len && !c->ended) {
		net_turn(c->fixture);
		if (c->readable)
			fill(c);
	}
	assert_true(c->len >= len);
	if (body != NULL)
		*body = json_loadb(c->in, len, 0, NULL);
	consume(c, len);
	if (head_out != NULL)
		*head_out = head;
	else
		free(head);
	return status;
}
