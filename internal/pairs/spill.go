package pairs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"unsafe"

	"dwell/internal/tile"
)

// Budget bounds the memory of a table. What exceeds it goes to disk.
type Budget struct {
	// Bytes is the table's approximate maximum; 0 means no bound. It is checked after each batch.
	Bytes int64
	// Folder is the directory for tiles; empty means the system's directory for temporary files.
	Folder string
}

func (b Budget) folder() string {
	if b.Folder == "" {
		return os.TempDir()
	}
	return b.Folder
}

// Half is the budget of one of two tables.
func (b Budget) Half() Budget {
	b.Bytes = (b.Bytes + 1) / 2
	return b
}

// Budget is the table's budget.
func (t *Table) Budget() Budget { return t.budget }

// NewTableWithin makes an empty table with a budget. Close it when done: it may have files.
func NewTableWithin(b Budget) *Table {
	t := NewTable()
	t.budget = b
	if b.Bytes > 0 {
		_ = tile.Sweep(b.folder()) // What cannot be removed now does no harm until there is something to write.
	}
	return t
}

// spilled is what a table has on disk.
type spilled struct {
	budget Budget
	// filling is read-locked by Add, and locked while the table goes to disk.
	filling sync.RWMutex
	// size is the table's approximate memory, bytes.
	size   atomic.Int64
	folder string
	// tiles are paths, in the order in which they were written.
	tiles  []string
	made   int // number of tiles made, for their names
	spills int
	failed atomic.Pointer[error]
}

// Memory besides the blocks, bytes: a pair's places in the index and in the order of keys, and a further port of a pair
// with its place in two maps.
const (
	stateSize = int64(unsafe.Sizeof(state{}))
	pairCost  = 16
	slotCost  = 150
)

// Err is the error on disk, if any. It means that the table is incomplete: check it after adding and after every walk.
func (t *Table) Err() error {
	if err := t.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (t *Table) fail(err error) {
	if err != nil {
		t.failed.CompareAndSwap(nil, &err)
	}
}

// Spilled is the number of times that the table went to disk.
func (t *Table) Spilled() int { return t.spills }

// Close removes the table's files. The table cannot be used afterwards.
func (t *Table) Close() error {
	if t.folder == "" {
		return nil
	}
	err := os.RemoveAll(t.folder)
	t.folder = ""
	return err
}

// overflow sends the table to disk if it exceeds its budget.
func (t *Table) overflow() {
	if t.budget.Bytes == 0 || t.size.Load() <= t.budget.Bytes {
		return
	}
	t.filling.Lock()
	defer t.filling.Unlock()
	if t.size.Load() > t.budget.Bytes && t.Err() == nil {
		t.fail(t.spill())
	}
}

// spill writes everything in memory as one tile and empties the table. Nothing is added meanwhile.
func (t *Table) spill() error {
	if t.Len() == 0 {
		return nil
	}
	if t.folder == "" {
		var err error
		if t.folder, err = tile.Folder(t.budget.folder()); err != nil {
			return t.spillError(err)
		}
	}
	if err := t.writeTile(); err != nil {
		return t.spillError(err)
	}
	t.spills++
	for i := range t.shards {
		t.shards[i].reset()
	}
	t.size.Store(0)
	return nil
}

// writeTile writes every pair, sorted by key.
func (t *Table) writeTile() error {
	path, w, err := t.newTile()
	if err != nil {
		return err
	}
	names := t.services.list()
	var value []byte
	err = t.inOrder(func(sh *shard, id uint32) error {
		value = sh.entry(value[:0], id, names)
		return w.Add(tile.Key(sh.state(id).key), value)
	})
	if err != nil {
		w.Discard()
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	t.tiles = append(t.tiles, path)
	return nil
}

// newTile begins a tile.
func (t *Table) newTile() (string, *tile.Writer, error) {
	t.made++
	path := filepath.Join(t.folder, fmt.Sprintf("%06d.tile", t.made))
	w, err := tile.Create(path)
	return path, w, err
}

func (t *Table) spillError(err error) error {
	var written int64
	for _, f := range t.tiles {
		if info, err := os.Stat(f); err == nil {
			written += info.Size()
		}
	}
	const mib = 1 << 20
	return fmt.Errorf("the hunt outgrew its memory budget (here %d MiB) and could not go on on disk: %w; %s holds %d MiB of it, and up to %d MiB more were to be written now: "+
		"free as much there or more, move the state directory (state.dir) to a larger disk, raise hunt.memory, or hunt a shorter window",
		t.budget.Bytes/mib, err, t.budget.folder(), written/mib, t.size.Load()/mib+1)
}

// inOrder calls visit with every pair, sorted by key. All pairs of a source are in one shard.
func (t *Table) inOrder(visit func(sh *shard, id uint32) error) error {
	scratch := make([]sorting, Workers())
	OnAllCores(shards, func(worker, i int) { t.shards[i].sorted(&scratch[worker]) })
	type rest struct {
		sh    *shard
		order []uint32
		key   addresses
	}
	var list []rest
	for i := range t.shards {
		if sh := &t.shards[i]; sh.count > 0 {
			list = append(list, rest{sh, sh.order, sh.state(sh.order[0]).key})
		}
	}
	q := newQueue(list, func(a, b *rest) bool { return bytes.Compare(a.key[:16], b.key[:16]) < 0 })
	for len(q.list) > 0 {
		first := &q.list[0]
		n := first.sh.sameSource(first.order)
		for _, id := range first.order[:n] {
			if err := visit(first.sh, id); err != nil {
				return err
			}
		}
		if first.order = first.order[n:]; len(first.order) == 0 {
			q.drop()
			continue
		}
		first.key = first.sh.state(first.order[0]).key
		q.fix()
	}
	return nil
}
