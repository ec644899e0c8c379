package hunt

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Attempts made before their window was over settle nothing, even if marked complete.
func TestAttemptsBeforeTheEnd(t *testing.T) {
	end := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration, complete bool, connections int64) *Document {
		doc := &Document{}
		doc.Event.Ingested, doc.Dwell.Window.End = Time{end.Add(d)}, Time{end}
		doc.Dwell.Hunt.Complete, doc.Dwell.Hunt.Connections = complete, connections
		return doc
	}
	var p Past
	p.Add(at(-5*time.Hour, true, 10))
	require.Zero(t, p)
	p.Add(at(-365*24*time.Hour, false, 0))
	require.Zero(t, p)
	p.Add(at(5*time.Minute, false, 10))
	require.Equal(t, Past{Tries: 1, Last: end.Add(5 * time.Minute)}, p)
	p.Add(at(time.Hour, true, 0)) // empty
	require.Equal(t, 2, p.Tries)
	p.Add(at(-4*time.Minute, true, 10)) // by a clock that is slow within the limit
	require.Equal(t, Past{Done: true}, p)
}
