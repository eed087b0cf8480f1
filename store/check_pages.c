/* LMDB trusts its pages, so the check looks at them from outside: a page that two tables use, or that is in
 * use and in the list of free pages, would be overwritten by some later commit.  Leaf and overflow pages show
 * themselves through the addresses of keys and values; branch pages do not, and are covered by finding every
 * leaf's keys from the root. */
#include <errno.h>
#include <stdlib.h>

#include "store/check_internal.h"

enum { FREE_LIST_DBI = 0, MAIN_DBI = 1, PAGE_HEADER_BYTES = 16, META_PAGES = 2 };

static void claim(struct check *c, const char *who, uint64_t page)
{
	uint8_t bit = (uint8_t)(1u << page % 8);

	if (page >= c->pages.page_count || page < META_PAGES)
		check_fault(c, "%s: page %llu does not exist", who, (unsigned long long)page);
	else if (c->pages.claimed[page / 8] & bit)
		check_fault(c, "%s: page %llu is used twice", who, (unsigned long long)page);
	else
		c->pages.claimed[page / 8] |= bit;
}

static uintptr_t page_address(const struct check *c, const void *inside)
{
	return (uintptr_t)inside & ~(uintptr_t)(c->pages.page_size - 1);
}

bool check_same_page(const struct check *c, const MDB_val *a, const MDB_val *b)
{
	return page_address(c, a->mv_data) == page_address(c, b->mv_data);
}

/* Every page begins with its own number, which tells where page 0 is mapped: the same place, whichever page
 * is asked. */
static void claim_at(struct check *c, const char *who, const void *inside, size_t count)
{
	uintptr_t address = page_address(c, inside);
	uint64_t number;

	memcpy(&number, (const void *)address, sizeof(number));
	if (c->pages.base == 0 && number < c->pages.page_count)
		c->pages.base = address - number * c->pages.page_size;
	if (address - number * c->pages.page_size != c->pages.base) {
		check_fault(c, "%s: a page says that it is page %llu and is not", who,
			    (unsigned long long)number);
		return;
	}
	for (size_t i = 0; i < count; i++)
		claim(c, who, number + i);
}

void check_claim_entry(struct check *c, const char *table, const MDB_val *key, const MDB_val *value,
		       bool new_leaf)
{
	size_t bytes = PAGE_HEADER_BYTES + value->mv_size;

	if (new_leaf)
		claim_at(c, table, key->mv_data, 1);
	if (value->mv_size > 0 && !check_same_page(c, key, value))
		claim_at(c, table, value->mv_data, (bytes + c->pages.page_size - 1) / c->pages.page_size);
}

/* The free list maps a transaction to the pages that it gave up: a count, and then so many page numbers. */
static void check_free_record(struct check *c, const MDB_val *value)
{
	const uint64_t *words = value->mv_data;
	size_t count = value->mv_size / sizeof(*words);

	if (count == 0 || words[0] > count - 1) {
		check_fault(c, "free pages: a record is too short");
		return;
	}
	for (uint64_t i = 1; i <= words[0]; i++)
		claim(c, "free pages", words[i]);
}

static int scan_own(struct check *c, MDB_dbi dbi, const char *name)
{
	MDB_val key, value, before = {0, NULL};
	MDB_cursor *cursor;
	int r = mdb_cursor_open(c->txn->txn, dbi, &cursor);

	if (r != 0)
		return store_error(r);
	while ((r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		check_claim_entry(c, name, &key, &value,
				  before.mv_data == NULL || !check_same_page(c, &before, &key));
		if (dbi == FREE_LIST_DBI)
			check_free_record(c, &value);
		before = key;
	}
	mdb_cursor_close(cursor);
	if (r != MDB_NOTFOUND)
		check_fault(c, "%s: LMDB cannot read it (%s)", name, mdb_strerror(r));
	return 0;
}

int check_pages_begin(struct check *c)
{
	MDB_envinfo info;
	MDB_stat stat;

	mdb_env_info(c->store->env, &info);
	mdb_env_stat(c->store->env, &stat);
	c->pages.page_size = stat.ms_psize;
	c->pages.page_count = (uint64_t)info.me_last_pgno + 1;
	c->pages.claimed = calloc(1, c->pages.page_count / 8 + 1);
	if (c->pages.claimed == NULL)
		return -ENOMEM;
	if (stat.ms_entries != TABLE_COUNT)
		check_fault(c, "the store has %zu tables, not %d", stat.ms_entries, (int)TABLE_COUNT);
	return scan_own(c, MAIN_DBI, "list of tables");
}

/* Last, so that a page in use that is also listed as free is told as such. */
int check_pages_end(struct check *c)
{
	return scan_own(c, FREE_LIST_DBI, "free pages");
}
