package pairs

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"dwell/internal/tile"
)

// Budget bounds the memory of a table. What is beyond goes to disk.
type Budget struct {
	// Bytes is how much the table may hold, about; 0 means no bound. A batch is taken in whole before it is looked at.
	Bytes int64
	// Folder is where tiles go; empty means the system's directory for temporary files.
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

// Budget is what the table was made with.
func (t *Table) Budget() Budget { return t.budget }

// NewTableWithin makes an empty table that keeps to a budget. Close it when done: it may have files.
func NewTableWithin(b Budget) *Table {
	t := NewTable()
	t.budget = b
	if b.Bytes > 0 {
		_ = tile.Sweep(b.folder()) // What cannot be removed now is in nobody's way until there is something to write.
	}
	return t
}

// spilled is what a table has on disk.
type spilled struct {
	budget Budget
	// filling is held for reading by Add and for writing while the table goes to disk.
	filling sync.RWMutex
	// size is what the table holds in memory, about, bytes.
	size   atomic.Int64
	folder string
	// tiles in order of their hours, those of one hour in the order in which they were written.
	tiles  []tileFile
	made   int // how many tiles were made, which numbers them
	spills int
	failed atomic.Pointer[error]
}

// tileFile is a tile on disk.
type tileFile struct {
	path   string
	hours  tile.Hours
	number int
}

// What things cost in memory beside the blocks, bytes: a pair's places in the index and in the order of keys, a further port of a
// pair with its place in two maps.
const (
	stateSize = int64(unsafe.Sizeof(state{}))
	pairCost  = 16
	slotCost  = 150
)

// Err is what went wrong with the disk, if anything did. Once it is set the table is incomplete: look at it after
// adding and after every walk.
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

// Spilled is how many times the table went to disk.
func (t *Table) Spilled() int { return t.spills }

// Close removes what the table has on disk. The table is of no use afterwards.
func (t *Table) Close() error {
	if t.folder == "" {
		return nil
	}
	err := os.RemoveAll(t.folder)
	t.folder = ""
	return err
}

// overflow sends the table to disk if it has outgrown its budget.
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

// spill writes all that is in memory as tiles, one for each hour in which a connection starts, and forgets it. Nothing may
// be added meanwhile.
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
	c := newCutter(t)
	if err := c.all(); err != nil {
		return t.spillError(err)
	}
	t.spills++
	for i := range t.shards {
		t.shards[i].reset()
	}
	t.size.Store(0)
	return nil
}

// keep notes a tile that is whole.
func (t *Table) keep(f tileFile) {
	i, _ := slices.BinarySearchFunc(t.tiles, f, func(a, b tileFile) int {
		return cmp.Or(cmp.Compare(a.hours.First, b.hours.First), cmp.Compare(a.number, b.number))
	})
	t.tiles = slices.Insert(t.tiles, i, f)
}

// newTile begins a tile.
func (t *Table) newTile(of tile.Hours) (tileFile, *tile.Writer, error) {
	t.made++
	name := fmt.Sprintf("%s-%06d.tile", time.Unix(of.First*3600, 0).UTC().Format("20060102T15"), t.made)
	f := tileFile{path: filepath.Join(t.folder, name), hours: of, number: t.made}
	w, err := tile.Create(f.path, of)
	return f, w, err
}

func (t *Table) spillError(err error) error {
	var written int64
	for _, f := range t.tiles {
		if info, err := os.Stat(f.path); err == nil {
			written += info.Size()
		}
	}
	const mib = 1 << 20
	return fmt.Errorf("the hunt outgrew its memory budget (here %d MiB) and could not go on on disk: %w; %s holds %d MiB of it, and up to %d MiB more were to be written now: "+
		"free as much there or more, move the state directory (state.dir) to a larger disk, raise hunt.memory, or hunt a shorter window",
		t.budget.Bytes/mib, err, t.budget.folder(), written/mib, t.size.Load()/mib+1)
}
