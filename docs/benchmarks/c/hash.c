/* A block list of hosts as people write it: a hash map of addresses. Rule 1
 * drops what comes from one of them. */
#include "xdp.h"

COUNTERS(1);

enum { BPF_MAP_TYPE_HASH = 1 };

struct {
	int(*type)[BPF_MAP_TYPE_HASH];
	int(*max_entries)[1]; /* set on load */
	u32 *key;
	u32 *value;
} hosts SEC(".maps");

INLINE u32 decide(u8 *data, u8 *end)
{
	struct transport t = {};
	u16 type;
	u8 *p = ethernet(data, end, &type);

	if (p && type == BE16(0x0800) && ip4(p, end, &t)) {
		u32 key = *(u32 *)(p + 12);

		if (bpf_map_lookup_elem(&hosts, &key))
			return DROP(1);
	}
	return PASS(0);
}

SEC("xdp") int program(struct xdp_md *ctx)
{
	return leaf(ctx, &counters, decide((u8 *)(long)ctx->data, (u8 *)(long)ctx->data_end));
}

char _license[] SEC("license") = "GPL";
