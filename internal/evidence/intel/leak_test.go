package intel

import (
	"testing"

	"dwell/integration/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
