package pairs

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"

	"dwell/internal/hunt"
)

// Requests keeps when each source made HTTP requests under each name: many may go over one connection that is kept
// open, and each is a check-in. A request costs three or four bytes. The zero Requests is ready; Most bounds what is
// held, bytes, about.
type Requests struct {
	Most int64
	mu   sync.Mutex
	of   map[sourceName]*requests
	// size is what is held, left the requests that were not kept for want of room.
	size, left int64
}

// requestCost is what a source with a name takes beside its times, bytes, about.
const requestCost = 200

type sourceName struct{ src, name netip.Addr }

// requests are times as differences, as varints.
type requests struct {
	times []byte
	// count is how many there are, kept how many have their times.
	count, kept int
	last        int64
}

// Add takes the HTTP requests with a Host of a batch in. It may be called from many goroutines.
func (r *Requests) Add(batch []hunt.NameRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range batch {
		u := &batch[i]
		if u.Kind != hunt.HTTP || u.Name == "" || u.Start == 0 {
			continue
		}
		k := sourceName{u.Src, stand(u.Name)}
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

// Times are those of a source's requests under what stands for a name in [Named.Table], Unix milliseconds, ascending;
// none where there are more than MaxTimes, or no room for all.
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

// Left is how many requests were not kept for want of room.
func (r *Requests) Left() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left
}
