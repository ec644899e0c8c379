package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCases runs the cases beside the project, public reports of people who read Zeek's logs remade as small inputs, by
// their own runner. Without them it is skipped.
func TestCases(t *testing.T) {
	runner, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "cases", "run"))
	require.NoError(t, err)
	if _, err := os.Stat(runner); err != nil {
		t.Skipf("cases not found at %s: skipped", runner)
	}
	bin := filepath.Join(t.TempDir(), "dwell")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	run := exec.CommandContext(t.Context(), runner)
	run.Env = append(os.Environ(), "DWELL="+bin)
	out, err = run.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
