package pipeline

import "testing"

// long leaves a test out of the run under the race detector (make test: -race -short), which makes it seven times as
// long. Each hunts whole days by the same code as shorter tests, and runs without the detector in the same make test.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a day or more is hunted: not under the race detector")
	}
}
