package loader

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// programInfo is the head of struct bpf_prog_info (include/uapi/linux/bpf.h).
type programInfo struct {
	Type, ID                 uint32
	Tag                      [8]byte
	JitedLen, XlatedLen      uint32
	JitedInsns, XlatedInsns  uint64
	LoadTime                 uint64
	CreatedByUID, MapIDCount uint32
	MapIDs                   uint64
	Name                     [16]byte
}

// basicInfo asks the kernel for id and name of a program, without its
// instructions. cilium/ebpf's Program.Info asks for those too, and the kernel
// answers ENOMEM and a warning in its log for more than 524,288 of them
// (bpf_prog_get_info_by_fd copies them in one piece of at most 4 MiB).
func basicInfo(p *ebpf.Program) (programInfo, error) { return askInfo(p, programInfo{}) }

// askInfo asks for what a head has room for.
func askInfo(p *ebpf.Program, room programInfo) (programInfo, error) {
	info := &room
	var pin runtime.Pinner
	pin.Pin(info)
	defer pin.Unpin()
	attr := struct {
		fd, size uint32
		info     uint64
	}{uint32(p.FD()), uint32(unsafe.Sizeof(*info)), uint64(uintptr(unsafe.Pointer(info)))}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_OBJ_GET_INFO_BY_FD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(p)
	if errno != 0 {
		return *info, fmt.Errorf("ask for the id of a program: %w", errno)
	}
	return *info, nil
}

// mapsOf are the ids of the maps that a program uses; none if that may not be
// asked for.
func mapsOf(p *ebpf.Program) []uint32 {
	info, err := basicInfo(p)
	if err != nil || info.MapIDCount == 0 {
		return nil
	}
	ids := make([]uint32, info.MapIDCount)
	var pin runtime.Pinner
	pin.Pin(&ids[0])
	defer pin.Unpin()
	if _, err := askInfo(p, programInfo{MapIDCount: uint32(len(ids)), MapIDs: uint64(uintptr(unsafe.Pointer(&ids[0])))}); err != nil {
		return nil
	}
	return ids
}

// uses says whether a map is one of those that the pinned program uses, or that
// this cannot be told.
func (g pinnedGeneration) uses(m *ebpf.Map) bool {
	p, err := ebpf.LoadPinnedProgram(g.program(), &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return true
	}
	defer p.Close()
	ids := mapsOf(p)
	info, err := m.Info()
	if err != nil || ids == nil {
		return true
	}
	id, known := info.ID()
	return !known || slices.Contains(ids, uint32(id))
}

func programID(p *ebpf.Program) (ebpf.ProgramID, error) {
	info, err := basicInfo(p)
	return ebpf.ProgramID(info.ID), err
}
