package rita

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKindOfSignature(t *testing.T) {
	require.Equal(t, "TLS fingerprint JA3", kindOf("28281b599e25010b00c1f277b1802bb3"))
	require.Equal(t, "user agent", kindOf("curl/8.5.0"))
}
