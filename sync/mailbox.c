/* mailbox: a locked list and a uv_async_t that is signalled whenever something is put in. */
#include "sync/mailbox.h"

static struct mail *take_all(struct mailbox *m)
{
	struct mail *first;

	uv_mutex_lock(&m->lock);
	first = m->first;
	m->first = NULL;
	m->last = &m->first;
	uv_mutex_unlock(&m->lock);
	return first;
}

static void deliver(struct mailbox *m)
{
	struct mail *mail = take_all(m), *next;

	for (; mail != NULL; mail = next) {
		next = mail->next;
		m->on_mail(m->context, mail);
	}
}

static void on_async(uv_async_t *async)
{
	deliver(async->data);
}

int mailbox_init(struct mailbox *m, uv_loop_t *loop, void (*on_mail)(void *context, struct mail *mail),
		 void *context)
{
	int r = uv_mutex_init(&m->lock);

	if (r != 0)
		return r;
	m->first = NULL;
	m->last = &m->first;
	m->closed = false;
	m->context = context;
	m->on_mail = on_mail;
	m->async.data = m;
	r = uv_async_init(loop, &m->async, on_async);
	if (r != 0)
		uv_mutex_destroy(&m->lock);
	return r;
}

bool mailbox_post(struct mailbox *m, struct mail *mail)
{
	bool open;

	uv_mutex_lock(&m->lock);
	open = !m->closed;
	if (open) {
		mail->next = NULL;
		*m->last = mail;
		m->last = &mail->next;
		uv_async_send(&m->async);
	}
	uv_mutex_unlock(&m->lock);
	return open;
}

void mailbox_close(struct mailbox *m)
{
	uv_mutex_lock(&m->lock);
	m->closed = true;
	uv_mutex_unlock(&m->lock);
	deliver(m);
	uv_close((uv_handle_t *)&m->async, NULL);
}
