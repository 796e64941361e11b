/* rules/assorted.fw. */
#include "xdp.h"

COUNTERS(16);

INLINE int in_web(u32 port)
{
	return port == 80 || port == 443 || (port >= 8000 && port <= 8100);
}

/* The outer tag is of VLAN 100. */
INLINE int vlan100(u8 *data, u8 *end)
{
	u16 t = *(u16 *)(data + 12);

	return (t == BE16(0x8100) || t == BE16(0x88a8) || t == BE16(0x9100)) && data + 16 <= end &&
	       (*(u16 *)(data + 14) & BE16(0xfff)) == BE16(100);
}

INLINE u32 ip4_rules(u8 *data, u8 *p, u8 *end)
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
	if (from >> 24 == 10 || from >> 16 == 0xc0a8)
		return PASS(4);
	if (t.protocol == TCP && have(&t, end, 14)) {
		if ((t.at[13] & 3) == 3)
			return DROP(5);
		if (t.at[13] == 0)
			return DROP(6);
	}
	if (t.protocol == ICMP && have(&t, end, 2)) {
		if (t.at[0] == 5)
			return DROP(7);
		if (t.at[0] == 8 && end - data > 1000)
			return DROP(8);
	}
	if (p[8] < 2)
		return DROP(10);
	if (t.protocol == UDP && vlan100(data, end))
		return DROP(11);
	if (from >> 8 == 0xc63364 || from == 0xcb007107)
		return DROP(12);
	port = ports(&t, end);
	if (t.protocol == TCP) {
		if (to >> 8 == 0xc00002 && in_web(port.to))
			return PASS(13);
		if (port.to == 23 || port.to == 2323 || port.to == 5555)
			return DROP(15);
	} else if (t.protocol == UDP) {
		if (port.to == 19 || port.to == 53 || port.to == 123 || port.to == 1900 || port.to == 11211)
			return DROP(14);
	}
	return PASS(0);
}

INLINE u32 ip6_rules(u8 *data, u8 *p, u8 *end)
{
	struct transport t = {};
	struct ports port;

	if (UNLIKELY(!ip6(p, end, &t)) || UNLIKELY(t.malformed) || UNLIKELY(malformed(&t, end, ICMP6)))
		return DROP(1);
	if (t.fragment)
		return DROP(2);
	if (p[8] == 0xfd)
		return PASS(4);
	if (t.protocol == TCP && have(&t, end, 14)) {
		if ((t.at[13] & 3) == 3)
			return DROP(5);
		if (t.at[13] == 0)
			return DROP(6);
	}
	if (t.protocol == ICMP6 && have(&t, end, 2) && (t.at[0] == 135 || t.at[0] == 136))
		return PASS(9);
	if (t.protocol == UDP && vlan100(data, end))
		return DROP(11);
	if (*(u32 *)(p + 8) == BE32(0x20010db8) && *(u16 *)(p + 12) == BE16(0x0bad))
		return DROP(12);
	port = ports(&t, end);
	if (t.protocol == TCP) {
		if (port.to == 23 || port.to == 2323 || port.to == 5555)
			return DROP(15);
		if (port.from >= 1 && port.from <= 1023 && *(u32 *)(p + 24) == BE32(0x20010db8))
			return DROP(16);
	} else if (t.protocol == UDP) {
		if (port.to == 19 || port.to == 53 || port.to == 123 || port.to == 1900 || port.to == 11211)
			return DROP(14);
	}
	return PASS(0);
}

/* Ethernet and IPv4 addresses, and all 28 bytes there. */
INLINE int is_arp(u8 *p, u8 *end)
{
	return p + 28 <= end && *(u16 *)p == BE16(1) && *(u16 *)(p + 2) == BE16(0x0800) && p[4] == 6 && p[5] == 4;
}

INLINE u32 decide(u8 *data, u8 *end)
{
	u16 type;
	u8 *p = ethernet(data, end, &type);

	if (UNLIKELY(!p))
		return DROP(1);
	if (type == BE16(0x0800))
		return ip4_rules(data, p, end);
	if (type == BE16(0x86dd))
		return ip6_rules(data, p, end);
	if (type == BE16(0x0806) && is_arp(p, end))
		return PASS(3);
	return PASS(0);
}

SEC("xdp") int program(struct xdp_md *ctx)
{
	return leaf(ctx, &counters, decide((u8 *)(long)ctx->data, (u8 *)(long)ctx->data_end));
}

char _license[] SEC("license") = "GPL";
