package rank

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// Of files the state says whether a connection was answered, of the index what is missing in it; where neither is known
// it counts as answered.
func TestUnanswered(t *testing.T) {
	for name, c := range map[string]struct {
		record pairs.Record
		want   bool
	}{
		"S0":           {pairs.Record{State: hunt.StateSilent, RespBytes: hunt.Absent, Duration: hunt.Absent}, true},
		"REJ":          {pairs.Record{State: hunt.StateRefused, RespBytes: 0, Duration: 1}, true},
		"SF":           {pairs.Record{State: hunt.StateOther, RespBytes: 300, Duration: 500, OrigIPBytes: 400}, false},
		"in the index": {pairs.Record{State: hunt.StateOther, RespBytes: hunt.Absent, Duration: hunt.Absent, OrigIPBytes: 40}, true},
		"http.log":     {pairs.Record{State: hunt.StateOther, RespBytes: hunt.Absent, Duration: hunt.Absent, OrigIPBytes: hunt.Absent}, false},
	} {
		require.Equal(t, c.want, unanswered(&c.record), name)
	}
}
