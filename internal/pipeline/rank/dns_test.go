package rank

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommonSuffix(t *testing.T) {
	for names, want := range map[string]string{"": "", "a.b.example": "a.b.example", "a.b.example c.b.example": "b.example", "xb.example b.example": "example",
		"b.example a.b.example": "b.example", "a.example b.test": ""} {
		require.Equal(t, want, commonSuffix(strings.Fields(names)), names)
	}
}
