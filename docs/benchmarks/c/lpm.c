/* A block list as people write it: the kernel's trie of prefixes. Rule 1 drops
 * what comes from one of them. */
#include "xdp.h"

COUNTERS(1);

enum { BPF_MAP_TYPE_LPM_TRIE = 11, BPF_F_NO_PREALLOC = 1 };

struct key4 {
	u32 length;
	u32 address;
};
struct key6 {
	u32 length;
	u64 address[2];
} __attribute__((packed));

#define TRIE(name, k)                                 \
	struct {                                      \
		int(*type)[BPF_MAP_TYPE_LPM_TRIE];    \
		int(*map_flags)[BPF_F_NO_PREALLOC];   \
		int(*max_entries)[1]; /* set on load */ \
		k *key;                               \
		u32 *value;                           \
	} name SEC(".maps")
TRIE(trie4, struct key4);
TRIE(trie6, struct key6);

INLINE u32 decide(u8 *data, u8 *end)
{
	struct transport t = {};
	u16 type;
	u8 *p = ethernet(data, end, &type);

	if (!p)
		return PASS(0);
	if (type == BE16(0x0800) && ip4(p, end, &t)) {
		struct key4 k = {32, *(u32 *)(p + 12)};

		return bpf_map_lookup_elem(&trie4, &k) ? DROP(1) : PASS(0);
	}
	if (type == BE16(0x86dd) && ip6(p, end, &t)) {
		struct key6 k = {128, {*(u64 *)(p + 8), *(u64 *)(p + 16)}};

		return bpf_map_lookup_elem(&trie6, &k) ? DROP(1) : PASS(0);
	}
	return PASS(0);
}

SEC("xdp") int program(struct xdp_md *ctx)
{
	return leaf(ctx, &counters, decide((u8 *)(long)ctx->data, (u8 *)(long)ctx->data_end));
}

char _license[] SEC("license") = "GPL";
