package oracle

import "xdpfw/loader/frames"

// A shape changes the form of a frame and not what it says: tags, options,
// extension headers, fragments, lengths right and wrong, cuts. It is false
// where it does not apply.
type shape func(*sketch) bool

var shapes = func() []shape {
	all := []shape{
		tagged(frames.Tag{VID: 100}), tagged(frames.Tag{VID: 0, PCP: 5}), tagged(frames.Tag{Type: frames.STag, VID: 7}),
		tagged(frames.Tag{Type: frames.QinQ, VID: 9}),
		tagged(frames.Tag{VID: 100}, frames.Tag{VID: 200, PCP: 1}),
		tagged(frames.Tag{Type: frames.STag, VID: 7, PCP: 7}, frames.Tag{VID: 100}),
		tagged(frames.Tag{VID: 4095}, frames.Tag{Type: frames.QinQ, VID: 100}),
		tagged(frames.Tag{VID: 100}, frames.Tag{VID: 200}, frames.Tag{VID: 100}),
		func(s *sketch) bool { s.frame.Cut = s.networkOffset() - 3; return tagged(frames.Tag{VID: 100})(s) },

		optioned(4), optioned(40),
		fragment(0, true), fragment(1, true), fragment(0x1fff, false), fragment(185, false),
		func(s *sketch) bool { s.ip.DF, s.ip.Reserved = true, true; return s.network == "ip" },

		extended(frames.Extension{Kind: frames.HopByHop}), extended(frames.Extension{Kind: frames.Routing, Size: 24}),
		extended(frames.Extension{Kind: frames.Destination, Size: 16}), extended(frames.Extension{Kind: frames.AH}),
		extended(frames.Extension{Kind: frames.AH, Size: 12}),
		extended(frames.Extension{Kind: frames.Fragment}),
		extended(frames.Extension{Kind: frames.HopByHop}, frames.Extension{Kind: frames.Routing}, frames.Extension{Kind: frames.Destination}),
		extended(frames.Extension{Kind: frames.HopByHop}, frames.Extension{Kind: frames.Fragment, Offset: 3}),
		extended(frames.Extension{Kind: frames.Fragment, More: true}, frames.Extension{Kind: frames.Destination}),
		extended(frames.Extension{Kind: frames.Fragment, Offset: 3}, frames.Extension{Kind: frames.Destination}),
		extended(frames.Extension{Kind: frames.Fragment, More: true}, frames.Extension{Kind: frames.Fragment}),
		extended(eight[:]...), extended(append(eight[:], frames.Extension{Kind: frames.Destination})...),
		extended(frames.Extension{Kind: frames.Destination, Length: new(uint8(200))}),

		func(s *sketch) bool { s.frame.Padding = 1; return true },
		func(s *sketch) bool { s.frame.Padding = 46; return true },

		func(s *sketch) bool { s.ip.Version = new(uint8(5)); return s.network == "ip" },
		func(s *sketch) bool { s.ip.Version = new(uint8(6)); return s.network == "ip" },
		func(s *sketch) bool { s.ip.IHL = new(uint8(4)); return s.network == "ip" },
		func(s *sketch) bool { s.ip.IHL = new(uint8(15)); return s.network == "ip" },
		func(s *sketch) bool { s.ip.TotalLength = new(uint16(19)); return s.network == "ip" },
		func(s *sketch) bool { s.ip.TotalLength = new(uint16(1000)); return s.network == "ip" },
		func(s *sketch) bool { s.ip6.Version = new(uint8(4)); return s.network == "ip6" },
		func(s *sketch) bool { s.ip6.PayloadLength = new(uint16(1000)); return s.network == "ip6" },
		func(s *sketch) bool { s.ip6.PayloadLength = new(uint16(0)); return s.network == "ip6" },
		func(s *sketch) bool {
			s.ip6.PayloadLength = new(uint16(0))
			return extended(frames.Extension{Kind: frames.HopByHop})(s)
		},
		func(s *sketch) bool { s.frame.EtherType = 0x86dd; return s.network == "ip" },
		func(s *sketch) bool { s.frame.EtherType = 0x0800; return s.network == "ip6" },
		tcpOffset(4), tcpOffset(0), tcpOffset(15), udpLength(7), udpLength(200),
	}
	for _, n := range []int{0, 1, 2, 3, 4, 8, 11, 13, 14, 19} {
		all = append(all, short(n, 0), short(n, 30))
	}
	for _, n := range []int{3, 13, 14, 16, 33, 34, 36, 41, 47, 53, 54, 56, 60} {
		all = append(all, func(s *sketch) bool { s.frame.Cut = n; return true })
	}
	return all
}()

var eight = [8]frames.Extension{
	{Kind: frames.HopByHop}, {Kind: frames.Destination}, {Kind: frames.Routing}, {Kind: frames.Destination},
	{Kind: frames.AH}, {Kind: frames.Destination}, {Kind: frames.Routing}, {Kind: frames.Destination},
}

func tagged(tags ...frames.Tag) shape {
	return func(s *sketch) bool {
		s.frame.Tags = tags
		return true
	}
}

func optioned(n int) shape {
	return func(s *sketch) bool {
		s.ip.Options = make([]byte, n)
		for i := range s.ip.Options {
			s.ip.Options[i] = 1 // no operation
		}
		return s.network == "ip"
	}
}

func fragment(offset uint16, more bool) shape {
	return func(s *sketch) bool {
		switch s.network {
		case "ip":
			s.ip.Offset, s.ip.More = offset, more
			return true
		case "ip6":
			return extended(frames.Extension{Kind: frames.Fragment, Offset: offset, More: more, ID: 77})(s)
		}
		return false
	}
}

func extended(extensions ...frames.Extension) shape {
	return func(s *sketch) bool {
		s.extend(extensions...)
		return s.network == "ip6"
	}
}

// short keeps n bytes of the transport, with IP lengths that say so; what
// stands behind them is padding.
func short(n, padding int) shape {
	return func(s *sketch) bool {
		s.ip.Limit = new(n)
		extensions, _ := s.transportOffset()
		s.ip6.Limit = new(extensions - s.networkOffset() - 40 + n)
		s.frame.Padding = padding
		return s.transport != nil
	}
}

func tcpOffset(n uint8) shape {
	return func(s *sketch) bool {
		t, ok := s.transport.(frames.TCP)
		t.Offset = &n
		s.transport = t
		return ok
	}
}

func udpLength(n uint16) shape {
	return func(s *sketch) bool {
		u, ok := s.transport.(frames.UDP)
		u.Length = &n
		s.transport = u
		return ok
	}
}
