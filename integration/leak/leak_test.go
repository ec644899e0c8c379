package leak

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLeftGoroutinesAreSeen(t *testing.T) {
	require.Empty(t, wait(0))
	done := make(chan struct{})
	go func() { <-done }()
	left := wait(20 * time.Millisecond)
	require.Len(t, left, 1)
	require.Contains(t, left[0], "TestLeftGoroutinesAreSeen")
	close(done)
	require.Empty(t, wait(patience))
}
