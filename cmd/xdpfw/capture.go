package main

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"xdpfw/rules"
)

// A capture is the packets of a file in the formats pcap or pcapng, of any
// byte order and resolution of time, plain or compressed with gzip. It is read
// as a stream and may be larger than memory.
type capture struct {
	name    string
	file    *os.File
	size    int64        // of the file in bytes; 0 if it is a pipe
	at      atomic.Int64 // bytes of the file that were read
	time    time.Time    // when the packet that was read last was captured
	read    func() (record, error)
	packets int             // read so far, those skipped included
	skipped int             // on interfaces of a pcapng file that are not Ethernet
	other   layers.LinkType // of the first one skipped
}

// A record is a packet as a file has it; data is valid until the next is read.
type record struct {
	data   []byte
	length int // of the frame on the wire, as the file says
	link   layers.LinkType
	time   time.Time
}

// A captureError says what is wrong with a capture.
type captureError struct{ error }

func (e *captureError) Unwrap() error { return e.error }

// First four bytes of a file as a big endian number (draft-ietf-opsawg-pcap,
// draft-ietf-opsawg-pcapng, RFC 1952).
const (
	magicMicroseconds        = 0xa1b2c3d4
	magicMicrosecondsSwapped = 0xd4c3b2a1
	magicNanoseconds         = 0xa1b23c4d
	magicNanosecondsSwapped  = 0x4d3cb2a1
	magicSectionHeader       = 0x0a0d0d0a
	magicGzip                = 0x1f8b // the first two bytes
)

// Sizes of a pcap file. tcpdump and Wireshark read no longer records either.
const (
	pcapHeaderLength = 24
	recordHeader     = 16
	longestRecord    = 256 << 10
)

// openCapture opens a file; Close it when done. Errors are *captureError.
func openCapture(name string) (*capture, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, &captureError{err}
	}
	c := &capture{name: name, file: file}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		c.size = info.Size()
	}
	if err := c.start(bufio.NewReaderSize(c, 1<<16)); err != nil {
		file.Close()
		return nil, &captureError{fmt.Errorf("%s: %w", name, err)}
	}
	return c, nil
}

// Read bytes of the file, and count them.
func (c *capture) Read(b []byte) (int, error) {
	n, err := c.file.Read(b)
	c.at.Add(int64(n))
	return n, err
}

// share of the file that was read, for people.
func (c *capture) share() string {
	if c.size == 0 {
		return fmt.Sprintf("%d MiB", c.at.Load()>>20)
	}
	return fmt.Sprintf("%d %%", 100*c.at.Load()/c.size)
}

// Close the file.
func (c *capture) Close() error { return c.file.Close() }

// start finds out what kind of file it is.
func (c *capture) start(r *bufio.Reader) error {
	head, err := r.Peek(4)
	if len(head) >= 2 && binary.BigEndian.Uint16(head) == magicGzip {
		unzipped, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("damaged gzip file: %w", err)
		}
		r = bufio.NewReaderSize(unzipped, 1<<16)
		head, err = r.Peek(4)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("damaged gzip file: %w", err)
		}
	} else if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(head) == 0 {
		return errors.New("not a capture: the file is empty")
	}
	if len(head) < 4 {
		return errors.New("not a capture: neither pcap nor pcapng")
	}
	switch magic := binary.BigEndian.Uint32(head); magic {
	case magicMicroseconds, magicNanoseconds:
		return c.startPcap(r, binary.BigEndian)
	case magicMicrosecondsSwapped, magicNanosecondsSwapped:
		return c.startPcap(r, binary.LittleEndian)
	case magicSectionHeader:
		return c.startPcapng(r)
	default:
		return fmt.Errorf("not a capture: it begins with %#08x, neither pcap nor pcapng", magic)
	}
}

// startPcap reads the header of a pcap file.
func (c *capture) startPcap(r *bufio.Reader, order binary.ByteOrder) error {
	head, err := r.Peek(pcapHeaderLength)
	if err != nil {
		return errors.New("the capture ends within its file header")
	}
	// Besides the link type in 16 bits the word says whether frames carry
	// their check sequence, which pcapgo does not tell.
	link := order.Uint32(head[20:])
	if link&^0xffff != 0 {
		return fmt.Errorf("link type word %#x: captures of frames with check sequences, or of unknown kinds, are not read", link)
	}
	if err := mustBeEthernet(layers.LinkType(link)); err != nil {
		return err
	}
	if major, minor := order.Uint16(head[4:]), order.Uint16(head[6:]); major != 2 || minor != 4 {
		return fmt.Errorf("pcap of version %d.%d: only 2.4 is known", major, minor)
	}
	if _, err := r.Discard(pcapHeaderLength); err != nil {
		return err
	}
	records := pcapRecords{r: r, order: order, second: time.Microsecond}
	if magic := order.Uint32(head); magic == magicNanoseconds {
		records.second = time.Nanosecond
	}
	c.read = records.next
	return nil
}

// pcapRecords are what stands behind the header of a pcap file. pcapgo's
// reader ends at a record that holds more bytes than the frame is said to have
// had, which broken writers make.
type pcapRecords struct {
	r      io.Reader
	order  binary.ByteOrder
	second time.Duration // what the second word of a time counts
	head   [recordHeader]byte
	buffer []byte
}

func (p *pcapRecords) next() (record, error) {
	if _, err := io.ReadFull(p.r, p.head[:]); err != nil {
		return record{}, err // io.EOF between two records
	}
	captured, length := p.order.Uint32(p.head[8:]), p.order.Uint32(p.head[12:])
	if captured > longestRecord {
		return record{}, fmt.Errorf("a record of %d bytes: the capture is damaged (records have %d at most)", captured, longestRecord)
	}
	if int(captured) > len(p.buffer) {
		p.buffer = make([]byte, captured)
	}
	data := p.buffer[:captured]
	if _, err := io.ReadFull(p.r, data); err != nil {
		if err == io.EOF { // behind the record's header
			err = io.ErrUnexpectedEOF
		}
		return record{}, err
	}
	seconds, fraction := p.order.Uint32(p.head[0:]), p.order.Uint32(p.head[4:])
	at := time.Unix(int64(seconds), 0).Add(time.Duration(fraction) * p.second)
	return record{data, int(length), layers.LinkTypeEthernet, at}, nil
}

// startPcapng reads the first section header of a pcapng file, whose
// interfaces may differ in link type.
func (c *capture) startPcapng(r *bufio.Reader) error {
	reader, err := pcapgo.NewNgReader(r, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the capture ends within its file header")
	}
	if err != nil {
		return err
	}
	c.read = func() (record, error) {
		data, info, err := reader.ZeroCopyReadPacketData()
		if err != nil {
			return record{}, err
		}
		return record{data, info.Length, info.AncillaryData[0].(layers.LinkType), info.Timestamp}, nil
	}
	return nil
}

func mustBeEthernet(link layers.LinkType) error {
	if link == layers.LinkTypeEthernet {
		return nil
	}
	return fmt.Errorf("link type %d (%v): rules see Ethernet frames, capture on an Ethernet interface (not on `any`)", uint16(link), link)
}

// next is the next packet, valid until the one after it is read; io.EOF at the
// end. Any other error is a *captureError and ends the capture. Packets that
// are no Ethernet frames are skipped, but not all packets of a capture.
func (c *capture) next() (rules.Packet, error) {
	for {
		r, err := c.read()
		switch {
		case err == io.EOF && c.skipped > 0 && c.skipped == c.packets:
			return rules.Packet{}, &captureError{fmt.Errorf("%s: %w", c.name, mustBeEthernet(c.other))}
		case err == io.EOF:
			return rules.Packet{}, io.EOF
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return rules.Packet{}, &captureError{fmt.Errorf("%s: the capture is cut off within packet %d; %s read",
				c.name, c.packets+1, count(c.packets, "packet"))}
		case err != nil:
			return rules.Packet{}, &captureError{fmt.Errorf("%s: packet %d: %w", c.name, c.packets+1, err)}
		}
		c.packets++
		c.time = r.time
		if r.link == layers.LinkTypeEthernet {
			// A frame has at least the bytes that were captured of it, whatever the file says.
			length := max(r.length, len(r.data))
			return rules.Packet{Head: r.data, Len: length, Truncated: len(r.data) < length}, nil
		}
		if c.skipped == 0 {
			c.other = r.link
		}
		c.skipped++
	}
}

// passedOver says how many packets were skipped and why.
func (c *capture) passedOver() string {
	return fmt.Sprintf("%d of %s, on an interface of link type %d (%v), which is not Ethernet",
		c.skipped, count(c.packets, "packet"), uint16(c.other), c.other)
}
