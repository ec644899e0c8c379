package hunt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// A name that merely ends with the domain's letters is not within it.
func TestWithin(t *testing.T) {
	for name, want := range map[string]bool{"evil.example": true, "a.evil.example": true, "a.b.evil.example": true,
		"notevil.example": false, "example": false, "evil.example.org": false, "": false} {
		require.Equal(t, want, hunt.Within(name, "evil.example"), name)
	}
}
