package hunt

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A consumer must not find null where it expects a list.
func TestListsAreNeverNull(t *testing.T) {
	now := At(1) // An unknown time is null, which is not a list.
	event := Event{Category: []string{"network"}, Type: []string{"info"}, Start: now, End: now, Ingested: now}
	window := TimeSpan{Start: now, End: now}
	for name, document := range map[string]any{
		"finding": Finding{Timestamp: now, Event: event, Dwell: Dwell{Window: window}},
		"hunt":    Document{Timestamp: now, Event: event, Dwell: DwellHunt{Window: window, Hunt: Summary{Statement: &Statement{Selftest: &Selftest{}}}}},
	} {
		b, err := json.Marshal(document)
		require.NoError(t, err)
		require.NotContains(t, string(b), "null", name)
	}
	b, err := json.Marshal(Finding{Dwell: Dwell{Pair: "10.1.4.22>203.0.113.7"}})
	require.NoError(t, err)
	require.Contains(t, string(b), `"indicators":[]`)
	var back Finding
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, "10.1.4.22>203.0.113.7", back.Dwell.Pair)
}

func TestReasonCodes(t *testing.T) {
	d := Dwell{Indicators: []string{Beacon, Strobe}, Modifiers: []Modifier{{Name: "new"}, {Name: "rare"}}, Explained: "weak"}
	require.Equal(t, "beacon strobe new rare benign_possible", strings.Join(d.Codes(), " "))
}
