package output

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/scoring"
)

// TestDurationsReadAlike: a reason and the list beside it write the same interval alike.
func TestDurationsReadAlike(t *testing.T) {
	for s := 0.01; s < 1e7; s *= 1.003 {
		require.Equal(t, hunt.Brief(s), scoring.Span(s), s)
	}
}
