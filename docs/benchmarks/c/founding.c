/* testdata/rules/founding.fw: all UDP, and TCP to port 80. */
#include "xdp.h"

COUNTERS(2);

INLINE u32 decide(u8 *data, u8 *end)
{
	struct transport t = {};
	u16 type;
	u8 *p = ethernet(data, end, &type);

	if (!p)
		return PASS(0);
	if (type == BE16(0x0800)) {
		if (!ip4(p, end, &t))
			return PASS(0);
	} else if (type == BE16(0x86dd)) {
		if (!ip6(p, end, &t))
			return PASS(0);
	} else {
		return PASS(0);
	}
	if (!t.has_protocol)
		return PASS(0);
	if (t.protocol == UDP)
		return DROP(1);
	if (t.protocol == TCP && have(&t, end, 4) && *(u16 *)(t.at + 2) == BE16(80))
		return DROP(2);
	return PASS(0);
}

SEC("xdp") int program(struct xdp_md *ctx)
{
	return leaf(ctx, &counters, decide((u8 *)(long)ctx->data, (u8 *)(long)ctx->data_end));
}

char _license[] SEC("license") = "GPL";
