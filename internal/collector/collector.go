// Package collector makes Go's garbage collector run more often during a hunt. Its rate is one of the whole process,
// so only a program that is one may ask for it, never a library.
package collector

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// What a hunt holds is mostly tables without pointers: the collector has nothing to follow in them, so it can come
// often at no cost. Go's rule, garbage as large as everything that is alive, would double the memory of a hunt for
// nothing. Here garbage may grow to what there is to follow, or to leastGarbage.
const (
	leastGarbage = 32 << 20
	// lowestPercent and goPercent bound what the collector is told (GOGC).
	lowestPercent, goPercent = 5, 100
)

// collecting counts the hunts that are being carried out.
var collecting struct {
	sync.Mutex
	hunts  int
	before int // what the collector was told before the first began
	told   int
	// waiting says that there is something to be cleaned up at the next collection.
	waiting bool
}

// Often lets the collector come as often as costs nothing, until the function that it gives is called. Where
// GOGC is set in the environment, that stands.
func Often() (end func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	c := &collecting
	c.Lock()
	defer c.Unlock()
	if c.hunts++; c.hunts == 1 {
		c.before = debug.SetGCPercent(goPercent)
		c.told = goPercent
		if !c.waiting {
			atNextCollection()
		}
	}
	return func() {
		c.Lock()
		defer c.Unlock()
		runtime.GC() // the tables are garbage now: what comes next is not to grow beside them
		if c.hunts--; c.hunts == 0 {
			debug.SetGCPercent(c.before)
		}
	}
}

// atNextCollection has the collector told again when it has come once more: what nobody holds is cleaned up then.
func atNextCollection() {
	collecting.waiting = true
	runtime.AddCleanup(&struct{ _ [64]byte }{}, func(struct{}) {
		c := &collecting
		c.Lock()
		defer c.Unlock()
		if c.waiting = c.hunts > 0; !c.waiting {
			return
		}
		if percent := percentFor(alive()); percent != c.told {
			debug.SetGCPercent(percent)
			c.told = percent
		}
		atNextCollection()
	}, struct{}{})
}

// alive is what the last collection found alive, and how much of that there was to follow, bytes.
func alive() (live, toFollow uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/total:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// percentFor is the percentage of what is alive that garbage may grow to.
func percentFor(live, toFollow uint64) int {
	garbage := max(leastGarbage, toFollow)
	return int(min(goPercent, max(lowestPercent, 100*garbage/max(live, 1))))
}
