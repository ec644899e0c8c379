package integration_test

import (
	"os"
	"testing"

	"dwell/integration/testnode"
)

func TestMain(m *testing.M) { os.Exit(testnode.Main(m)) }
