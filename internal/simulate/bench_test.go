package simulate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkConnections measures the cost of one connection without files.
func BenchmarkConnections(b *testing.B) {
	sc := Default()
	sc.Length = Duration(92 * 24 * time.Hour)
	b.ReportAllocs()
	n := 0
	for _, err := range Connections(sc) {
		require.NoError(b, err)
		if n++; n == b.N {
			break
		}
	}
}

// BenchmarkRun writes an hour of all logs and reports lines per second.
func BenchmarkRun(b *testing.B) {
	sc := Default()
	sc.Start, sc.Length = sc.Start.Add(9*time.Hour), Duration(time.Hour)
	total := int64(0)
	for b.Loop() {
		s, err := Run(context.Background(), sc, b.TempDir(), Format{})
		require.NoError(b, err)
		for _, n := range s.Labels.Logs {
			total += n
		}
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "lines/s")
}
