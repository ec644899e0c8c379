package pairs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"dwell/internal/hunt"
	"dwell/internal/tile"
)

// spilledUses is what Names has on disk: tiles sorted by the two ends, whose values are the uses between them.
type spilledUses struct {
	budget  Budget
	filling sync.RWMutex // read-locked by Add, locked while the uses go to disk
	size    atomic.Int64 // approximate bytes in memory
	folder  string
	files   []string
	made    int
	failed  atomic.Pointer[error]
}

const useSize = int64(unsafe.Sizeof(use{}))

// Err is the error on disk. It means that the set is incomplete.
func (s *spilledUses) Err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *spilledUses) fail(err error) {
	if err != nil {
		s.failed.CompareAndSwap(nil, &err)
	}
}

// Close removes the files.
func (s *spilledUses) Close() error {
	if s.folder == "" {
		return nil
	}
	err := os.RemoveAll(s.folder)
	s.folder, s.files = "", nil
	return err
}

// overflow sends the uses to disk if they exceed their budget.
func (n *Names) overflow() {
	if n.budget.Bytes == 0 || n.size.Load() <= n.budget.Bytes {
		return
	}
	n.filling.Lock()
	defer n.filling.Unlock()
	if n.size.Load() > n.budget.Bytes && n.Err() == nil {
		n.fail(n.spill())
	}
}

// spill writes everything in memory as one tile and empties the set.
func (n *Names) spill() (err error) {
	n.sort()
	var list [][]use
	for i := range n.shards {
		if uses := n.shards[i].uses; len(uses) > 0 {
			list = append(list, uses)
		}
	}
	q := newQueue(list, func(a, b *[]use) bool { return (*a)[0].key.compare(&(*b)[0].key) < 0 })
	err = n.write(func() ([]use, error) {
		if len(q.list) == 0 {
			return nil, io.EOF
		}
		uses := sameEnds(q.list[0]) // all between two addresses are in one shard
		if q.list[0] = q.list[0][len(uses):]; len(q.list[0]) == 0 {
			q.drop()
		} else {
			q.fix()
		}
		return uses, nil
	})
	for i := range n.shards {
		n.shards[i].uses, n.shards[i].joined, n.shards[i].filter, n.shards[i].index = nil, nil, nil, nil
	}
	n.size.Store(0)
	return err
}

// write makes one tile of what next returns, up to io.EOF.
func (n *Names) write(next func() ([]use, error)) error {
	failed := func(err error) error {
		return fmt.Errorf("the names of the hunt outgrew their part of its memory budget and could not go to disk: %w; free room below %s, move the state directory (state.dir) to a larger disk, "+
			"raise hunt.memory, or hunt a shorter window", err, n.budget.folder())
	}
	if n.folder == "" {
		var err error
		if n.folder, err = tile.Folder(n.budget.folder()); err != nil {
			return failed(err)
		}
	}
	n.made++
	path := filepath.Join(n.folder, "names-"+strconv.Itoa(n.made)+".tile")
	w, err := tile.Create(path)
	if err != nil {
		return failed(err)
	}
	var value []byte
	for {
		uses, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			value = appendUses(value[:0], uses)
			err = w.Add(tile.Key(uses[0].key), value)
		}
		if err != nil {
			w.Discard()
			return failed(err)
		}
	}
	if err := w.Close(); err != nil {
		return failed(err)
	}
	n.files = append(n.files, path)
	return nil
}

// appendUses appends a tile's entry of the uses between two addresses.
func appendUses(b []byte, uses []use) []byte {
	at := int64(0)
	for i := range uses {
		u := &uses[i]
		b = binary.AppendVarint(b, u.start-at)
		at = u.start
		b = binary.LittleEndian.AppendUint64(b, u.print)
		for _, v := range [...]uint64{uint64(u.name), uint64(u.srcPort), uint64(u.dstPort), uint64(u.askedPort), uint64(u.mark), uint64(u.kind)} {
			b = binary.AppendUvarint(b, v)
		}
	}
	return b
}

// readUses reads what appendUses wrote.
func readUses(out []use, key addresses, b []byte) ([]use, error) {
	at := int64(0)
	for len(b) > 0 {
		delta, n := binary.Varint(b)
		if n <= 0 || len(b) < n+8 {
			return nil, errEntry
		}
		at += delta
		u := use{key: key, start: at, print: binary.LittleEndian.Uint64(b[n:])}
		b = b[n+8:]
		var v [6]uint64
		for i := range v {
			if v[i], n = binary.Uvarint(b); n <= 0 {
				return nil, errEntry
			}
			b = b[n:]
		}
		u.name, u.srcPort, u.dstPort, u.askedPort, u.mark, u.kind = uint32(v[0]), uint16(v[1]), uint16(v[2]), uint16(v[3]), uint16(v[4]), hunt.NameKind(v[5])
		out = append(out, u)
	}
	return out, nil
}

// usesInOrder returns the uses of some tiles, sorted by their ends.
type usesInOrder struct {
	all []*head
	q   *queue[*head]
}

func openUses(files []string) (*usesInOrder, error) {
	in := &usesInOrder{}
	var list []*head
	for i, path := range files {
		t, err := tile.Open(path)
		if err != nil {
			return nil, errors.Join(err, in.close())
		}
		h := &head{in: t, place: i}
		in.all = append(in.all, h)
		if err := h.next(); err != nil {
			return nil, errors.Join(err, in.close())
		}
		if !h.ended {
			list = append(list, h)
		}
	}
	in.q = newQueue(list, func(a, b **head) bool { return (*a).before(*b) })
	return in, nil
}

func (in *usesInOrder) close() (err error) {
	for _, h := range in.all {
		err = errors.Join(err, h.in.Close())
	}
	return err
}

// next appends the uses between the next two addresses, or returns io.EOF.
func (in *usesInOrder) next(out []use) ([]use, error) {
	if len(in.q.list) == 0 {
		return out, io.EOF
	}
	from, key, parts := len(out), in.q.list[0].key, 0
	for ; len(in.q.list) > 0 && in.q.list[0].key == key; parts++ {
		h := in.q.list[0]
		var err error
		if out, err = readUses(out, addresses(key), h.value); err != nil {
			return nil, err
		}
		if err := h.next(); err != nil {
			return nil, err
		}
		if h.ended {
			in.q.drop()
		} else {
			in.q.fix()
		}
	}
	if parts > 1 {
		slices.SortFunc(out[from:], compareUses)
	}
	return out, nil
}

// joinMerged goes over pairs and uses in parallel, both sorted by their ends.
func (n *Names) joinMerged(tables []*Table, joiners []joiner) (err error) {
	if err := n.Err(); err != nil {
		return err
	}
	for len(n.files) > mostRead {
		some := n.files[:mostRead]
		in, err := openUses(some)
		if err != nil {
			return err
		}
		var uses []use
		err = n.write(func() (_ []use, err error) { uses, err = in.next(uses[:0]); return uses, err })
		if err = errors.Join(err, in.close()); err != nil {
			return err
		}
		for _, path := range some {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
		n.files = n.files[mostRead:]
	}
	in, err := openUses(n.files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	fill := func(sh *shard) (err error) {
		if sh.count == 0 {
			return nil
		}
		last := sh.state(sh.count - 1).key // merged pairs are sorted
		for len(in.q.list) > 0 && bytes.Compare(in.q.list[0].key[:16], last[:16]) <= 0 {
			if sh.uses, err = in.next(sh.uses); err != nil {
				return err
			}
		}
		return nil
	}
	all := make([]Pair, Workers())
	err = tables[0].eachMergedWith(tables[1:], fill, func(worker int, sh *shard) {
		p, j, rest := &all[worker], &joiners[worker], sh.uses
		p.services, p.long = tables[0].services.list(), &tables[0].long
		clear(j.rolled)
		eachSource(rest, func(of []use) { n.follow(j.rolled, of) })
		for id := range sh.count {
			key := sh.state(id).key
			at := 0
			for at < len(rest) && rest[at].key.compare(&key) < 0 {
				at++
			}
			j.allAlone(rest[:at])
			rest = rest[at:]
			if len(rest) > 0 && rest[0].key == key {
				uses := sameEnds(rest)
				rest = rest[len(uses):]
				p.decode(sh, id)
				j.join(p, uses)
			}
		}
		j.allAlone(rest)
	})
	var rest []use
	for j := &joiners[0]; err == nil && len(in.q.list) > 0; {
		src := [16]byte(in.q.list[0].key[:16])
		for rest = rest[:0]; err == nil && len(in.q.list) > 0 && [16]byte(in.q.list[0].key[:16]) == src; {
			rest, err = in.next(rest)
		}
		clear(j.rolled)
		n.follow(j.rolled, rest)
		j.allAlone(rest)
	}
	return err
}
