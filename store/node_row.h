/* node_row: a node as the bytes of its row.  Private to store/. */
#pragma once

#include "store/index.h"
#include "store/table.h"

enum { NODE_ROW_MAX = 96 + IDENTITY_MAX + NODE_NAME_MAX + NODE_TARGET_MAX + NODE_HASH_BYTES + SEAL_BYTES };

/* -EINVAL when a length or number of n is out of range. */
int node_row_pack(struct packer *row, const struct index_node *n);
/* Points into the value. */
int node_row_read(uint64_t node, const MDB_val *value, struct index_node *out);

enum { NAME_KEY_MAX = 8 + NODE_NAME_MAX, ID_KEY_MAX = 4 + 1 + IDENTITY_MAX + 8 };

size_t name_key(uint8_t key[NAME_KEY_MAX], uint64_t parent, const char *name, size_t name_len);
size_t id_key(uint8_t key[ID_KEY_MAX], uint32_t drive, const struct identity *id, uint64_t node);
