// Package collector makes Go's garbage collector run more often during a hunt. Its rate applies to the whole process,
// so only a program should set it, never a library.
package collector

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// A hunt's memory is mostly tables without pointers, which the collector need not scan, so frequent collections are
// cheap. Go's default lets garbage grow to the size of everything that is alive and would double a hunt's memory. Here
// garbage may grow to the size of what must be scanned, within bounds.
const (
	leastGarbage, mostGarbage = 32 << 20, 192 << 20
	// lowestPercent and goPercent bound GOGC.
	lowestPercent, goPercent = 5, 100
)

// collecting counts the hunts under way.
var collecting struct {
	sync.Mutex
	hunts   int
	before  int // GOGC before the first hunt started
	percent int // GOGC now
	// limited says that the runtime's memory limit follows what is alive: without it, Go keeps what was freed for long.
	limited bool
	// waiting is true while a cleanup is registered for the next collection.
	waiting bool
}

// Often makes the collector run as often as is cheap, and return what is free to the system, until end is called. If
// GOGC is set in the environment, that stays in force; GOMEMLIMIT does, too.
func Often() (end func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	c := &collecting
	c.Lock()
	defer c.Unlock()
	if c.hunts++; c.hunts == 1 {
		c.before = debug.SetGCPercent(goPercent)
		c.percent, c.limited = goPercent, os.Getenv("GOMEMLIMIT") == ""
		if !c.waiting {
			atNextCollection()
		}
	}
	return func() {
		c.Lock()
		defer c.Unlock()
		runtime.GC() // free the tables now, before the next hunt allocates beside them
		if c.hunts--; c.hunts == 0 {
			debug.SetGCPercent(c.before)
			if c.limited {
				debug.SetMemoryLimit(math.MaxInt64)
			}
		}
	}
}

// atNextCollection adjusts GOGC after the next collection, by a cleanup on an object that nothing references.
func atNextCollection() {
	collecting.waiting = true
	runtime.AddCleanup(&struct{ _ [64]byte }{}, func(struct{}) {
		c := &collecting
		c.Lock()
		defer c.Unlock()
		if c.waiting = c.hunts > 0; !c.waiting {
			return
		}
		live, toFollow := alive()
		if percent := percentFor(live, toFollow); percent != c.percent {
			debug.SetGCPercent(percent)
			c.percent = percent
		}
		if c.limited {
			debug.SetMemoryLimit(int64(live + live/8 + mostGarbage + leastGarbage))
		}
		atNextCollection()
	}, struct{}{})
}

// alive returns what the last collection found alive and how much of that must be scanned, in bytes.
func alive() (live, toFollow uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/total:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// percentFor is GOGC for a heap: the percentage of what is alive that garbage may grow to.
func percentFor(live, toFollow uint64) int {
	garbage := min(max(leastGarbage, toFollow), mostGarbage)
	return int(min(goPercent, max(lowestPercent, 100*garbage/max(live, 1))))
}
