package main

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gopacket/gopacket"
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
	read    func() ([]byte, gopacket.CaptureInfo, error)
	packets int // read so far
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

const pcapHeaderLength = 24

// openCapture opens a file; Close it when done. Errors are *captureError.
func openCapture(name string) (*capture, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, &captureError{err}
	}
	c := &capture{name: name, file: file}
	if err := c.start(bufio.NewReaderSize(file, 1<<16)); err != nil {
		file.Close()
		return nil, &captureError{fmt.Errorf("%s: %w", name, err)}
	}
	return c, nil
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
	reader, err := pcapgo.NewReader(r)
	if err != nil {
		return err
	}
	c.read = func() ([]byte, gopacket.CaptureInfo, error) {
		data, info, err := reader.ZeroCopyReadPacketData()
		if err == io.EOF && info.CaptureLength > 0 { // behind a packet's header
			err = io.ErrUnexpectedEOF
		}
		return data, info, err
	}
	return nil
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
	c.read = func() ([]byte, gopacket.CaptureInfo, error) {
		data, info, err := reader.ZeroCopyReadPacketData()
		if err == nil {
			err = mustBeEthernet(info.AncillaryData[0].(layers.LinkType))
		}
		return data, info, err
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
// end. Any other error is a *captureError and ends the capture.
func (c *capture) next() (rules.Packet, error) {
	data, info, err := c.read()
	if err == nil && info.Length < len(data) {
		err = fmt.Errorf("%d bytes captured of a frame of %d", len(data), info.Length)
	}
	switch {
	case err == io.EOF:
		return rules.Packet{}, io.EOF
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return rules.Packet{}, &captureError{fmt.Errorf("%s: the capture is cut off within packet %d; %s read",
			c.name, c.packets+1, count(c.packets, "packet"))}
	case err != nil:
		return rules.Packet{}, &captureError{fmt.Errorf("%s: packet %d: %w", c.name, c.packets+1, err)}
	}
	c.packets++
	return rules.Packet{Head: data, Len: info.Length, Truncated: len(data) < info.Length}, nil
}
