package config

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated pages")

// TestReferenceIsUpToDate holds docs/configuration.md to the table of keys; -update writes it.
func TestReferenceIsUpToDate(t *testing.T) {
	const page = "../../docs/configuration.md"
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(Reference()), 0o644))
	}
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	require.True(t, Reference() == string(b), "docs/configuration.md is stale: make generate")
}
