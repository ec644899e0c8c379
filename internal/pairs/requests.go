package pairs

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"

	"dwell/internal/hunt"
)

// Requests keeps the times of each source's HTTP requests by name, and of its messages by address: many may go over one
// persistent connection, and each is a check-in. A request takes three or four bytes. The zero Requests is ready; Most bounds its approximate size in
// bytes.
type Requests struct {
	Most int64
	mu   sync.Mutex
	of   map[sourceName]*requests
	// size is the memory in use, left the number of requests not kept for lack of room.
	size, left int64
}

// requestCost is the approximate memory of a source with a name, besides its times, in bytes.
const requestCost = 200

type sourceName struct{ src, name netip.Addr }

// requests are times, as differences in varints.
type requests struct {
	times []byte
	// count is their number, kept the number whose times are kept.
	count, kept int
	last        int64
}

// Add adds a batch's messages and HTTP requests with a Host. It may be called from many goroutines.
func (r *Requests) Add(batch []hunt.NameRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range batch {
		u := &batch[i]
		k := sourceName{u.Src, u.Dst}
		switch {
		case u.Start == 0, u.Kind != hunt.Message && (u.Kind != hunt.HTTP || u.Name == ""):
			continue
		case u.Kind == hunt.HTTP:
			k.name = stand(u.Name)
		}
		of := r.of[k]
		full := r.Most > 0 && r.size >= r.Most
		if full {
			r.left++
		}
		if of == nil {
			if full {
				continue
			}
			r.size += requestCost
			if r.of == nil {
				r.of = map[sourceName]*requests{}
			}
			of = &requests{}
			r.of[k] = of
		}
		if of.count++; of.count <= MaxTimes && !full {
			before := len(of.times)
			of.kept++
			of.times = binary.AppendVarint(of.times, u.Start-of.last)
			of.last = u.Start
			r.size += int64(len(of.times) - before)
		}
	}
}

// Times returns a source's requests under what stands for a name in [Named.Table], or its messages to an address, Unix
// milliseconds, ascending; nil if there are more than MaxTimes, or not all were kept.
func (r *Requests) Times(src, name netip.Addr) []int64 {
	of := r.of[sourceName{src, name}]
	if of == nil || of.kept < of.count {
		return nil
	}
	out, at := make([]int64, 0, of.count), int64(0)
	for b := of.times; len(b) > 0; {
		d, n := binary.Varint(b)
		at, b = at+d, b[n:]
		out = append(out, at)
	}
	slices.Sort(out)
	return out
}

// Left is the number of requests not kept for lack of room.
func (r *Requests) Left() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left
}
