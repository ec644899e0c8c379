package main

import (
	"os"
	"runtime/metrics"
	"runtime/pprof"
	"time"
)

// envProfiles begins the paths of a child's profiles: of its processor time, and of its heap when that was largest.
const envProfiles = "DWELL_BENCH_PROFILES"

// profiled writes profiles of this process until the function that it gives is called.
func profiled() (end func()) {
	base := os.Getenv(envProfiles)
	if base == "" {
		return func() {}
	}
	f, err := os.Create(base + ".cpu")
	if err != nil || pprof.StartCPUProfile(f) != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for most := uint64(0); ; {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
			}
			if metrics.Read(live); live[0].Value.Uint64() > most+most/20 {
				most = live[0].Value.Uint64()
				if h, err := os.Create(base + ".heap"); err == nil {
					_ = pprof.WriteHeapProfile(h) // A figure of a run, not its result.
					_ = h.Close()                 // As above.
				}
			}
		}
	}()
	return func() { close(done); pprof.StopCPUProfile(); _ = f.Close() }
}
