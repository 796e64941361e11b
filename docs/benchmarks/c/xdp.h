/* What the comparison programs share: the kernel's interface as far as they use
 * it, the counters, and the header model of docs/language.md. No header of the
 * system is included, so that only clang is needed.
 *
 * The parsers are inlined, and the compiler drops what a program does not use:
 * one that asks nothing of malformed packets pays nothing for finding them. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define BE16(x) ((u16)__builtin_bswap16(x))
#define BE32(x) __builtin_bswap32(x)

/* include/uapi/linux/bpf.h */
struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};
enum { XDP_ABORTED, XDP_DROP, XDP_PASS };
enum { BPF_MAP_TYPE_PERCPU_ARRAY = 6 };
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;

/* Packets and bytes of each rule; slot 0 is the default. */
#define COUNTERS(rules)                                    \
	struct {                                           \
		int(*type)[BPF_MAP_TYPE_PERCPU_ARRAY];     \
		int(*max_entries)[(rules) + 1];            \
		u32 *key;                                  \
		struct counter *value;                     \
	} counters SEC(".maps")
struct counter {
	u64 packets, bytes;
};

/* A decision: the verdict, and the counter of the rule behind it. */
#define DROP(rule) (XDP_DROP | (rule) << 8)
#define PASS(rule) (XDP_PASS | (rule) << 8)

INLINE int leaf(struct xdp_md *ctx, void *counters, u32 decision)
{
	u32 slot = decision >> 8;
	struct counter *c = bpf_map_lookup_elem(counters, &slot);

	if (c) {
		c->packets++;
		c->bytes += ctx->data_end - ctx->data;
	}
	return decision & 0xff;
}

/* Where the network header begins; 0 if there is none: the frame or a tag is
 * cut, or there is a third tag. All of those are malformed. */
INLINE u8 *ethernet(u8 *data, u8 *end, u16 *type)
{
	u8 *p = data + 14;
	u16 t;

	if (p > end)
		return 0;
	t = *(u16 *)(data + 12);
#pragma unroll
	for (int tags = 0; tags < 3; tags++) {
		if (t != BE16(0x8100) && t != BE16(0x88a8) && t != BE16(0x9100))
			break;
		if (tags == 2 || p + 4 > end)
			return 0;
		t = *(u16 *)(p + 2);
		p += 4;
	}
	*type = t;
	return p;
}

/* What is behind the network header. */
struct transport {
	u8 *at;
	u32 length;   /* bytes up to the end of the IP packet */
	u8 protocol;
	u8 has_protocol;
	u8 present;   /* at and length are set: there is a protocol, and no later fragment */
	u8 fragment;  /* first or later */
	u8 malformed; /* in the IP headers, not in those of the transport */
};

/* False if it is malformed. */
INLINE int ip4(u8 *p, u8 *end, struct transport *t)
{
	u32 header, total;
	u16 offset;

	if (p + 20 > end || p[0] >> 4 != 4)
		return 0;
	header = (p[0] & 15) * 4;
	total = BE16(*(u16 *)(p + 2));
	if (header < 20 || total < header || total > end - p)
		return 0;
	offset = *(u16 *)(p + 6);
	t->protocol = p[9];
	t->has_protocol = 1;
	t->present = !(offset & BE16(0x1fff));
	t->fragment = (offset & BE16(0x3fff)) != 0;
	t->at = p + header;
	t->length = total - header;
	return 1;
}

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, AH = 51, OPTIONS = 60 };

/* False if it is no IPv6. Addresses are there even if the headers behind are
 * malformed. */
INLINE int ip6(u8 *p, u8 *end, struct transport *t)
{
	u32 at = 40, length, present = end - p;
	u8 next;

	if (p + 40 > end || p[0] >> 4 != 6)
		return 0;
	next = p[6];
	length = BE16(*(u16 *)(p + 4));
	length = length || next != HOP_BY_HOP ? length + 40 : present; /* 0: a jumbogram */
	t->malformed = 1;
	if (length > present)
		return 1;
	for (int walked = 0; walked <= 8; walked++) {
		u8 *h = p + at;
		u32 size;

		if (next != HOP_BY_HOP && next != ROUTING && next != OPTIONS && next != FRAGMENT && next != AH) {
			t->protocol = next;
			t->has_protocol = t->present = 1;
			t->malformed = 0;
			t->at = h;
			t->length = length - at;
			return 1;
		}
		if (walked == 8 || h + 8 > end)
			return 1;
		size = next == FRAGMENT ? 8 : next == AH ? (h[1] + 2) * 4 : (h[1] + 1) * 8;
		if (at + size > length)
			return 1;
		if (next == FRAGMENT) {
			u16 offset = BE16(*(u16 *)(h + 2));

			if (offset > 7) {
				t->fragment = t->has_protocol = 1;
				t->protocol = h[0];
				t->malformed = 0;
				return 1;
			}
			if (offset & 1)
				t->fragment = 1;
		}
		next = h[0];
		at += size;
	}
	return 1;
}

enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58, SCTP = 132 };

/* Whether the first so many bytes of the transport header are there. The second
 * test is for the verifier, which does not know what the first one says. */
INLINE int have(struct transport *t, u8 *end, u32 bytes)
{
	return t->present && t->length >= bytes && t->at + bytes <= end;
}

INLINE int has_ports(struct transport *t)
{
	return t->protocol == TCP || t->protocol == UDP || t->protocol == SCTP;
}

/* Malformed in the transport header: shorter than it can be, or saying so. */
INLINE int malformed(struct transport *t, u8 *end, u8 icmp)
{
	if (!t->present)
		return 0;
	switch (t->protocol) {
	case TCP:
		return !have(t, end, 20) || t->at[12] >> 4 < 5;
	case UDP:
		return !have(t, end, 8) || BE16(*(u16 *)(t->at + 4)) < 8;
	case SCTP:
		return !have(t, end, 12);
	}
	return t->protocol == icmp && !have(t, end, 8);
}

/* What the rules about ports ask for; no port is equal to any of these if
 * there are none. */
struct ports {
	u32 from, to; /* 0x10000 if there are none */
};

INLINE struct ports ports(struct transport *t, u8 *end)
{
	struct ports p = {0x10000, 0x10000};

	if (has_ports(t) && have(t, end, 4)) {
		p.from = BE16(*(u16 *)t->at);
		p.to = BE16(*(u16 *)(t->at + 2));
	}
	return p;
}
