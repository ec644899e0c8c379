package collector

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Garbage may grow to what must be scanned, between 32 and 192 MiB, never beyond the size of what is alive.
func TestGarbageGrowsWithWhatThereIsToFollow(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		live, toFollow uint64
		want           int
	}{
		{0, 0, 100}, {10 * mib, 9 * mib, 100}, {320 * mib, 5 * mib, 10}, {320 * mib, 160 * mib, 50},
		{320 * mib, 400 * mib, 60}, {64 * 1024 * mib, 5 * mib, 5},
	} {
		require.Equal(t, tc.want, percentFor(tc.live, tc.toFollow), "%d MiB alive, %d MiB to follow", tc.live/mib, tc.toFollow/mib)
	}
}

// During a hunt a large table lowers GOGC; afterwards it is restored.
func TestCollectorIsToldAndLeftAsItWas(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	percent := func() int {
		collecting.Lock()
		defer collecting.Unlock()
		return collecting.percent
	}
	end, endOther := Often(), Often()
	table := make([]byte, 256<<20)
	require.Eventually(t, func() bool { // cleanups run in a goroutine of the runtime's
		runtime.GC()
		return percent() < goPercent
	}, 10*time.Second, time.Millisecond)
	runtime.KeepAlive(table)
	end()
	require.NotEqual(t, 77, debug.SetGCPercent(percent()), "another hunt goes on")
	endOther()
	require.Equal(t, 77, debug.SetGCPercent(77))
}

// During a hunt the runtime's limit follows what is alive, up and down, and afterwards there is none. A limit that the
// user set stays.
func TestTheLimitFollowsWhatIsAlive(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	limit := func() int64 { return debug.SetMemoryLimit(-1) }
	end := Often()
	reaches := func(least, most int64) {
		t.Helper()
		require.Eventually(t, func() bool { runtime.GC(); return limit() >= least && limit() <= most }, 10*time.Second, time.Millisecond, "%d", limit())
	}
	table := make([]byte, 512<<20)
	reaches(512<<20+mostGarbage, 1<<30)
	runtime.KeepAlive(table)
	table = nil
	reaches(mostGarbage, 512<<20)
	end()
	require.EqualValues(t, math.MaxInt64, limit())

	t.Setenv("GOMEMLIMIT", "3GiB")
	debug.SetMemoryLimit(3 << 30)
	end = Often()
	for range 20 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	require.EqualValues(t, 3<<30, limit())
	end()
	require.EqualValues(t, 3<<30, limit())
}
