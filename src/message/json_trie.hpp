/*
 * json_trie.hpp
 *		A trie of the requested paths. Private to json.cpp.
 *
 * Nodes are numbered, 0 is the document. The edges, (parent, key or index) -> node, are in one hash table, so
 * that a key that is not requested costs one probe. A node's targets are the cells to fill there. Memory is
 * allocated with malloc, and failure is reported as a return value, not an exception.
 */
#ifndef STREAMBATCH_JSON_TRIE_HPP
#define STREAMBATCH_JSON_TRIE_HPP

#include <stdlib.h>
#include <string.h>

#include "message/json.h"

constexpr int NONE = -1;

struct Node
{
	int first_edge = NONE;
	int first_target = NONE;
	bool has_keys = false;
	int64_t max_index = -1;
	uint64_t seen = 0;		  /* the serial of the document in which it was visited last */
	int first_visited = NONE; /* children visited in it, linked by next_visited */
	int next_visited = NONE;
};

struct Edge
{
	uint64_t hash;
	int parent;
	int node;
	int next_edge; /* of the same parent */
	bool is_index;
	uint32_t index;
	const char *key;
	size_t key_len;
};

struct Target
{
	int cell;
	int next;
};

/* A growing array that returns false instead of throwing. */
template <typename T> struct Pool
{
	T *items = nullptr;
	int count = 0;
	int capacity = 0;

	~Pool()
	{
		free(items);
	}

	bool
	add(const T &item)
	{
		if (count == capacity)
		{
			int larger = capacity ? capacity * 2 : 16;
			T *moved = static_cast<T *>(realloc(static_cast<void *>(items), larger * sizeof(T)));

			if (!moved)
				return false;
			items = moved;
			capacity = larger;
		}
		items[count++] = item;
		return true;
	}
};

/* The first n (up to 8) bytes of s as a number; 8 bytes must be readable. */
inline uint64_t
load(const char *s, size_t n)
{
	uint64_t word;

	memcpy(&word, s, sizeof(word));
	if (n >= 8)
		return word;
	if (n == 0)
		return 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word << (64 - 8 * n);
#else
	return word >> (64 - 8 * n);
#endif
}

/* Hash the first and last 8 bytes of the key and its length. 8 bytes from its start must be readable. */
inline uint64_t
hash_key(int parent, const char *key, size_t len)
{
	uint64_t h = load(key, len) + len * UINT64_C(0x9e3779b97f4a7c15);

	if (len > 8)
		h ^= load(key + len - 8, 8) * UINT64_C(0xc2b2ae3d27d4eb4f);
	h = (h ^ (static_cast<uint64_t>(parent) << 32)) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ (h >> 32);
}

inline uint64_t
hash_index(int parent, uint32_t index)
{
	uint64_t h = (static_cast<uint64_t>(parent) << 32 | index) * UINT64_C(0x9e3779b97f4a7c15);

	return h ^ (h >> 29);
}

class JsonTrie
{
  public:
	Pool<Node> nodes;
	Pool<Edge> edges;
	Pool<Target> targets;

	~JsonTrie();
	bool build(const JsonPath *paths, int n);
	int find_key(int parent, const char *key, size_t len) const;
	int find_index(int parent, uint32_t index) const;

  private:
	int *table = nullptr; /* edges by hash, NONE where empty */
	size_t mask = 0;
	char *keys = nullptr; /* copies of the paths' keys */
	size_t keys_len = 0;

	bool insert(int node, const JsonPath *path, int step, int cell);
	int extend(int parent, const JsonStep *step, bool is_index);
	bool index_edges();
};

inline JsonTrie::~JsonTrie()
{
	free(table);
	free(keys);
}

/* Find or create the child of parent for this step. NONE if out of memory. */
inline int
JsonTrie::extend(int parent, const JsonStep *step, bool is_index)
{
	Edge edge;

	for (int e = nodes.items[parent].first_edge; e != NONE; e = edges.items[e].next_edge)
	{
		const Edge &old = edges.items[e];

		if (old.is_index != is_index)
			continue;
		if (is_index ? old.index == step->index
					 : old.key_len == step->key_len && memcmp(old.key, step->key, step->key_len) == 0)
			return old.node;
	}

	edge.parent = parent;
	edge.node = nodes.count;
	edge.next_edge = nodes.items[parent].first_edge;
	edge.is_index = is_index;
	edge.index = step->index;
	edge.key_len = is_index ? 0 : step->key_len;
	edge.key = nullptr;
	if (!is_index)
	{
		/* followed by eight readable bytes; build() has allocated enough memory for all keys */
		char *key = keys + keys_len;

		if (step->key_len > 0)
			memcpy(key, step->key, step->key_len);
		keys_len += step->key_len + 8;
		edge.key = key;
	}
	edge.hash = is_index ? hash_index(parent, step->index) : hash_key(parent, edge.key, edge.key_len);

	if (!nodes.add(Node()) || !edges.add(edge))
		return NONE;
	nodes.items[parent].first_edge = edges.count - 1;
	if (!is_index)
		nodes.items[parent].has_keys = true;
	else if (static_cast<int64_t>(step->index) > nodes.items[parent].max_index)
		nodes.items[parent].max_index = step->index;
	return edge.node;
}

/* Insert a path and its cell below a node; a step that can be index or key is inserted as both. */
inline bool
JsonTrie::insert(int node, const JsonPath *path, int step, int cell)
{
	Target target;

	for (; step < path->nsteps; step++)
	{
		const JsonStep *s = &path->steps[step];
		int child;

		if (s->kind == JSON_STEP_EITHER)
		{
			child = extend(node, s, true);
			if (child == NONE || !insert(child, path, step + 1, cell))
				return false;
		}
		node = extend(node, s, s->kind == JSON_STEP_INDEX);
		if (node == NONE)
			return false;
	}
	target.cell = cell;
	target.next = nodes.items[node].first_target;
	if (!targets.add(target))
		return false;
	nodes.items[node].first_target = targets.count - 1;
	return true;
}

/* Build the hash table over all edges, at most half full. */
inline bool
JsonTrie::index_edges()
{
	size_t size = 16;

	while (size < static_cast<size_t>(edges.count) * 2)
		size *= 2;
	table = static_cast<int *>(malloc(size * sizeof(int)));
	if (!table)
		return false;
	mask = size - 1;
	for (size_t i = 0; i < size; i++)
		table[i] = NONE;
	for (int e = 0; e < edges.count; e++)
	{
		size_t slot = edges.items[e].hash & mask;

		while (table[slot] != NONE)
			slot = (slot + 1) & mask;
		table[slot] = e;
	}
	return true;
}

inline bool
JsonTrie::build(const JsonPath *paths, int n)
{
	size_t keys_size = 8;

	for (int i = 0; i < n; i++)
	{
		size_t ways = 1;

		for (int s = 0; s < paths[i].nsteps; s++)
		{
			keys_size += ways * (paths[i].steps[s].key_len + 8);
			if (paths[i].steps[s].kind == JSON_STEP_EITHER)
				ways *= 2;
		}
	}
	keys = static_cast<char *>(calloc(1, keys_size));
	if (!keys || !nodes.add(Node()))
		return false;
	for (int i = 0; i < n; i++)
		if (!insert(0, &paths[i], 0, i))
			return false;
	return index_edges();
}

inline int
JsonTrie::find_key(int parent, const char *key, size_t len) const
{
	uint64_t hash = hash_key(parent, key, len);

	for (size_t slot = hash & mask; table[slot] != NONE; slot = (slot + 1) & mask)
	{
		const Edge &edge = edges.items[table[slot]];

		if (edge.hash == hash && edge.parent == parent && !edge.is_index && edge.key_len == len &&
			memcmp(edge.key, key, len) == 0)
			return edge.node;
	}
	return NONE;
}

inline int
JsonTrie::find_index(int parent, uint32_t index) const
{
	uint64_t hash = hash_index(parent, index);

	for (size_t slot = hash & mask; table[slot] != NONE; slot = (slot + 1) & mask)
	{
		const Edge &edge = edges.items[table[slot]];

		if (edge.hash == hash && edge.parent == parent && edge.is_index && edge.index == index)
			return edge.node;
	}
	return NONE;
}

#endif /* STREAMBATCH_JSON_TRIE_HPP */
