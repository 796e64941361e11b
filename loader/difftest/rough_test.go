package difftest

import (
	"encoding/binary"
	"math/rand/v2"
)

// roughen makes a plain frame less plain: one or two tags, a fragment, an
// extension header, an IP packet that ends within its headers, a frame that
// does, or a changed byte. The rules that it is made for still say much of it.
func roughen(r *rand.Rand, frame []byte) []byte {
	frame = append([]byte{}, frame...)
	etherType := binary.BigEndian.Uint16(frame[12:])
	switch r.IntN(6) {
	case 0:
		tags := []byte{0x81, 0, byte(r.IntN(256)), byte(r.IntN(256))}
		if r.IntN(2) == 0 {
			tags = append([]byte{0x88, 0xa8, 0, byte(r.IntN(256))}, tags...)
		}
		return append(append(append([]byte{}, frame[:12]...), tags...), frame[12:]...)
	case 1:
		return frame[:14+r.IntN(max(1, len(frame)-14))]
	case 2:
		frame[12+r.IntN(min(44, len(frame)-12))] ^= 1 << r.IntN(8)
		return frame
	case 3:
		return shorten(r, frame, etherType)
	}
	return fragmentOrExtend(r, frame, etherType)
}

// shorten the IP packet, not the frame.
func shorten(r *rand.Rand, frame []byte, etherType uint16) []byte {
	switch {
	case etherType == 0x0800 && len(frame) >= 34:
		binary.BigEndian.PutUint16(frame[16:], uint16(20+r.IntN(24)))
	case etherType == 0x86dd && len(frame) >= 54:
		binary.BigEndian.PutUint16(frame[18:], uint16(r.IntN(24)))
	}
	return frame
}

// fragmentOrExtend puts options into an IPv4 packet, or says of it that it is a
// fragment or must not be one; it puts an extension header into an IPv6 packet.
func fragmentOrExtend(r *rand.Rand, frame []byte, etherType uint16) []byte {
	switch {
	case etherType == 0x0800 && len(frame) >= 34 && frame[14] == 0x45 && r.IntN(2) == 0:
		words := 1 + r.IntN(10)
		frame[14] += byte(words)
		binary.BigEndian.PutUint16(frame[16:], binary.BigEndian.Uint16(frame[16:])+uint16(4*words))
		frame = append(append(append([]byte{}, frame[:34]...), make([]byte, 4*words)...), frame[34:]...)
	case etherType == 0x0800 && len(frame) >= 34:
		binary.BigEndian.PutUint16(frame[20:], []uint16{0x2000, 0x2001, 0x0001, 0x00b9, 0x4000, 0x8000}[r.IntN(6)])
	case etherType == 0x86dd && len(frame) >= 54:
		header := make([]byte, 8)
		kind := []byte{0, 43, 44, 44, 44, 51, 60}[r.IntN(7)]
		switch header[0] = frame[20]; kind {
		case 44: // first, later, last, atomic
			binary.BigEndian.PutUint16(header[2:], []uint16{0x0001, 0x0009, 0x0008, 0}[r.IntN(4)])
		case 51: // of sixteen bytes
			header = append(header, make([]byte, 8)...)
			header[1] = 2
		}
		frame[20] = kind
		binary.BigEndian.PutUint16(frame[18:], binary.BigEndian.Uint16(frame[18:])+uint16(len(header)))
		frame = append(append(append([]byte{}, frame[:54]...), header...), frame[54:]...)
	}
	return frame
}
