package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"2GiB": 2147483648, "512MiB": 536870912, "1.5GiB": 1610612736, "64 KiB": 65536, "1TiB": 1099511627776} {
		got, err := ParseSize(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "2", "2GB", "GiB", "-1MiB", "NaNMiB", "9999999999TiB"} {
		_, err := ParseSize(text)
		require.ErrorContains(t, err, "is not a size", text)
	}
	require.Equal(t, "2GiB", Size(2<<30).String())
	require.Equal(t, "1536MiB", Size(3<<29).String())
	require.Equal(t, "1000 bytes", Size(1000).String())
}
