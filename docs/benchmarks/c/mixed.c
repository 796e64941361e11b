/* rules/mixed.fw. */
#include "xdp.h"

COUNTERS(16);

INLINE u32 ip4_rules(u8 *p, u8 *end)
{
	struct transport t = {};
	struct ports port;
	u32 from, to;

	if (UNLIKELY(!ip4(p, end, &t)) || UNLIKELY(malformed(&t, end, ICMP)))
		return DROP(1);
	if (t.fragment)
		return DROP(2);
	from = BE32(*(u32 *)(p + 12));
	to = BE32(*(u32 *)(p + 16));
	if (from >> 24 == 0 || from >> 24 == 127 || from >> 29 == 7)
		return DROP(3);
	if (from >> 24 == 10 && to >> 24 == 10)
		return PASS(5);
	port = ports(&t, end);
	if (t.protocol == TCP) {
		if (port.to == 22 && from >> 8 == 0xc63364)
			return PASS(6);
		if (port.to == 22 || port.to == 23 || port.to == 3389)
			return DROP(7);
		if (have(&t, end, 14) && (t.at[13] & 3) == 3)
			return DROP(8);
		if (to >> 8 == 0xc00002 && (port.to == 80 || port.to == 443 || (port.to >= 8000 && port.to <= 8100)))
			return PASS(9);
	} else if (t.protocol == UDP) {
		if (port.to == 53)
			return PASS(11);
		if (port.from == 53 || port.from == 123 || port.from == 1900 || port.from == 11211)
			return DROP(12);
	} else if (t.protocol == ICMP) {
		return have(&t, end, 2) && t.at[0] == 8 ? PASS(13) : DROP(14);
	}
	if (to >> 7 == 0xcb007100 >> 7 && port.to < 1024)
		return DROP(16);
	return PASS(0);
}

INLINE u32 ip6_rules(u8 *p, u8 *end)
{
	struct transport t = {};
	struct ports port;
	u32 to;

	if (UNLIKELY(!ip6(p, end, &t)) || UNLIKELY(t.malformed) || UNLIKELY(malformed(&t, end, ICMP6)))
		return DROP(1);
	if (t.fragment)
		return DROP(2);
	if (*(u32 *)(p + 8) == BE32(0x20010db8) && *(u16 *)(p + 12) == BE16(0x0bad))
		return DROP(4);
	port = ports(&t, end);
	if (t.protocol == TCP) {
		if (port.to == 22 || port.to == 23 || port.to == 3389)
			return DROP(7);
		if (have(&t, end, 14) && (t.at[13] & 3) == 3)
			return DROP(8);
		to = *(u32 *)(p + 24);
		if (to == BE32(0x20010db8) && *(u16 *)(p + 28) == BE16(1) && (port.to == 80 || port.to == 443))
			return PASS(10);
	} else if (t.protocol == UDP) {
		if (port.to == 53)
			return PASS(11);
		if (port.from == 53 || port.from == 123 || port.from == 1900 || port.from == 11211)
			return DROP(12);
	} else if (t.protocol == ICMP6) {
		if (have(&t, end, 2) && (t.at[0] == 134 || t.at[0] == 137))
			return DROP(15);
	}
	return PASS(0);
}

INLINE u32 decide(u8 *data, u8 *end)
{
	u16 type;
	u8 *p = ethernet(data, end, &type);

	if (UNLIKELY(!p))
		return DROP(1);
	if (type == BE16(0x0800))
		return ip4_rules(p, end);
	if (type == BE16(0x86dd))
		return ip6_rules(p, end);
	return PASS(0);
}

SEC("xdp") int program(struct xdp_md *ctx)
{
	return leaf(ctx, &counters, decide((u8 *)(long)ctx->data, (u8 *)(long)ctx->data_end));
}

char _license[] SEC("license") = "GPL";
