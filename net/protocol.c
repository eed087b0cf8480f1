/* The one callback through which libwebsockets speaks to us.  Each case hands over to the module that has the
 * idea. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "net/internal.h"

/* /ws is the only place where a WebSocket can be opened.  0: go on; > 0: answered; < 0: hang up. */
static int confirm_upgrade(struct peer *p, struct lws *wsi, const char *to)
{
	char path[8];
	int e;

	if (strcasecmp(to, "websocket") != 0) /* h2c: our frames are written for HTTP/1.1 */
		return -1;
	if (lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) <= 0 || strcmp(path, "/ws") != 0)
		return exchange_refuse_upgrade(p, -ENOENT);
	e = peer_identify(p);
	if (e == -ENOENT) /* the token comes in `hello` */
		return 0;
	return e == 0 ? 0 : exchange_refuse_upgrade(p, e);
}

static int on_received(struct peer *p, struct lws *wsi, const char *bytes, size_t len)
{
	if (p->connection == NULL)
		return -1;
	connection_receive(p->connection, bytes, len, lws_is_final_fragment(wsi) != 0,
			   lws_frame_is_binary(wsi) != 0);
	return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct peer *p = lws_get_opaque_user_data(wsi);

	(void)user;
	if (p == NULL)
		return 0;
	p->wsi = wsi;
	switch ((int)reason) { /* a hundred reasons, of which these concern us */
	case LWS_CALLBACK_HTTP:
		return exchange_begin(p, in);
	case LWS_CALLBACK_HTTP_BODY:
		return exchange_body(p, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return exchange_complete(p);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return exchange_writable(p);
	case LWS_CALLBACK_CLOSED_HTTP:
		exchange_free(p);
		return 0;
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return confirm_upgrade(p, wsi, in);
	case LWS_CALLBACK_ESTABLISHED:
		return connection_new(p);
	case LWS_CALLBACK_RECEIVE:
		return on_received(p, wsi, in, len);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		if (p->connection != NULL)
			pump_connection(p->connection);
		return 0;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return p->connection != NULL ? connection_peer_closes(p->connection) : 0;
	case LWS_CALLBACK_CLOSED:
		if (p->connection != NULL)
			connection_free(p->connection);
		return 0;
	case LWS_CALLBACK_RAW_ADOPT: /* a CONNECT request: we are no proxy */
	case LWS_CALLBACK_RAW_RX:
		return -1;
	case LWS_CALLBACK_WSI_DESTROY:
		lws_set_opaque_user_data(wsi, NULL);
		peer_free(p);
		return 0;
	default:
		return 0;
	}
}

const struct lws_protocols net_protocols[] = {
	{
		.name = "wakeline.v1",
		.callback = on_event,
		.rx_buffer_size = 1024, /* allocated for every connection */
		.tx_packet_size = PACKET_BYTES,
	},
	{0},
};
