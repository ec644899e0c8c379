package pairs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"dwell/internal/tile"
)

// mostRead is the number of tiles read at once: each has a block of 32 KiB in memory.
const mostRead = 128

// together is the number of pairs merged before they are passed on, all pairs of a source together.
const together = 4096

// eachMerged visits the pairs on disk and in memory as shards of some thousand pairs, all pairs of a source in one of
// them. At most one shard a core and one more are in memory, and a block of each tile.
func (t *Table) eachMerged(visit func(worker int, sh *shard)) error {
	return t.eachMergedWith(nil, func(*shard) error { return nil }, visit)
}

// eachMergedWith is eachMerged, and also visits the pairs of other tables. fill is called with each shard, in the order
// of their sources, before it is visited.
func (t *Table) eachMergedWith(others []*Table, fill func(*shard) error, visit func(worker int, sh *shard)) error {
	var tiles []string
	for _, one := range append([]*Table{t}, others...) {
		if err := one.toDisk(); err != nil {
			return err
		}
		tiles = append(tiles, one.tiles...)
	}
	free, full := make(chan *shard, Workers()+1), make(chan *shard)
	for range cap(free) {
		free <- t.newShard()
	}
	var wg sync.WaitGroup
	for worker := range Workers() {
		wg.Go(func() {
			for sh := range full {
				visit(worker, sh)
				sh.reset()
				free <- sh
			}
		})
	}
	err := t.merge(tiles, func() *shard { return <-free }, func(sh *shard) error {
		if err := fill(sh); err != nil {
			return err
		}
		full <- sh
		return nil
	})
	close(full)
	wg.Wait()
	return err
}

// toDisk writes tiles of what is in memory, few enough to read at once. Nothing is added afterwards.
func (t *Table) toDisk() error {
	if err := t.Err(); err != nil {
		return err
	}
	if err := t.spill(); err != nil { // the rest, so that one mechanism handles all
		return err
	}
	t.store.empty()
	for i := range t.shards {
		t.shards[i].index, t.shards[i].order = nil, nil
	}
	return t.mergeTiles()
}

func (t *Table) newShard() *shard { return &shard{store: &t.store, seed: t.seed} }

// mergeTiles merges tiles until they can all be read at once.
func (t *Table) mergeTiles() error {
	for len(t.tiles) > mostRead {
		all := t.tiles
		t.tiles = nil
		for len(all) > 0 {
			some := all[:min(mostRead, len(all))]
			all = all[len(some):]
			if err := t.joinTiles(some); err != nil {
				return err
			}
		}
	}
	return nil
}

// joinTiles merges several tiles into one.
func (t *Table) joinTiles(some []string) error {
	file, w, err := t.newTile()
	if err != nil {
		return t.spillError(err)
	}
	sh := t.newShard()
	var value []byte
	err = t.merge(some, func() *shard { return sh }, func(sh *shard) error {
		for id := range sh.count {
			value = sh.entry(value[:0], id, t.services.list())
			if err := w.Add(tile.Key(sh.state(id).key), value); err != nil {
				return t.spillError(err)
			}
		}
		sh.reset()
		return nil
	})
	if err != nil {
		w.Discard()
		return err
	}
	if err := w.Close(); err != nil {
		return t.spillError(err)
	}
	t.tiles = append(t.tiles, file)
	for _, f := range some {
		if err := os.Remove(f); err != nil {
			return fmt.Errorf("remove a tile that was merged: %w", err)
		}
	}
	return nil
}

// merge passes on the pairs of some tiles, sorted by key, in shards that it takes.
func (t *Table) merge(some []string, take func() *shard, hand func(*shard) error) (err error) {
	heads := make([]*head, 0, len(some))
	defer func() {
		for _, h := range heads {
			err = errors.Join(err, h.in.Close())
		}
	}()
	var list []*head
	for i, f := range some {
		in, err := tile.Open(f)
		if err != nil {
			return err
		}
		h := &head{in: in, place: i}
		heads = append(heads, h)
		if err := h.next(); err != nil {
			return err
		}
		if !h.ended {
			list = append(list, h)
		}
	}
	q := newQueue(list, func(a, b **head) bool { return (*a).before(*b) })
	sh := take()
	var source [16]byte
	for len(q.list) > 0 {
		h := q.list[0]
		if from := [16]byte(h.key[:16]); from != source {
			if sh.count >= together {
				if err := hand(sh); err != nil {
					return err
				}
				sh = take()
			}
			source = from
		}
		if err := sh.load(addresses(h.key), h.value, &t.services); err != nil {
			return fmt.Errorf("%s: %w", some[h.place], err)
		}
		if err := h.next(); err != nil {
			return err
		}
		if h.ended {
			q.drop()
		} else {
			q.fix()
		}
	}
	return hand(sh)
}

// head is a tile with its next entry.
type head struct {
	in    *tile.Reader
	place int // among the merged tiles
	key   tile.Key
	value []byte
	ended bool
}

func (h *head) next() (err error) {
	h.key, h.value, err = h.in.Next()
	if errors.Is(err, io.EOF) {
		h.ended, err = true, nil
	}
	return err
}

// before orders heads by key; for a pair in several tiles, the tile written first comes first.
func (h *head) before(o *head) bool {
	if c := bytes.Compare(h.key[:], o.key[:]); c != 0 {
		return c < 0
	}
	return h.place < o.place
}
